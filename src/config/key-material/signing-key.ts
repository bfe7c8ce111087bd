import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { findKeyFault } from './signature-algorithms.ts';

/** The algorithms that internal tokens are signed with: one for each kind of key. */
export const SIGNING_ALGORITHMS = ['ES256', 'EdDSA', 'RS256'] as const;

export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

/** A key as read, its algorithm implied by its kind. */
export interface ReadKey {
  readonly key: KeyObject;
  readonly algorithm: SigningAlgorithm;
}

/** Reads a private key in PEM, or says what is wrong with it, with the remedy behind ' — '. */
export function readSigningKey(pem: string): ReadKey | string {
  const key = attempt(() => createPrivateKey(pem));
  if (key === undefined)
    return 'holds no private key that can be read — write it as PEM, without a passphrase';
  return withAlgorithm(key);
}

/** Reads the public half of a key in PEM, public or private, or says what is wrong with it. */
export function readFormerKey(pem: string): ReadKey | string {
  const key = attempt(() => createPublicKey(pem));
  return key === undefined ? 'holds no key that can be read — write it as PEM' : withAlgorithm(key);
}

function withAlgorithm(key: KeyObject): ReadKey | string {
  const algorithm = algorithmOf(key);
  if (algorithm === undefined)
    return 'is a key of a kind that is not used for this — use EC on P-256, Ed25519 or RSA';
  return findKeyFault(key) ?? { key, algorithm };
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): SigningAlgorithm | undefined {
  if (asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256';
  if (asymmetricKeyType === 'ed25519') return 'EdDSA';
  return asymmetricKeyType === 'rsa' ? 'RS256' : undefined;
}

function attempt(read: () => KeyObject): KeyObject | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
