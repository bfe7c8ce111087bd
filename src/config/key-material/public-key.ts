import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { asFields } from '../findings.ts';
import { algorithmsOf, findKeyFault, type SignatureAlgorithm } from './signature-algorithms.ts';

/** A key that signatures are verified with, and what it may be used for. */
export interface PublicKey {
  readonly key: KeyObject;
  readonly algorithms: readonly SignatureAlgorithm[];
  /** The name that tokens call it by, where it has one. */
  readonly id: string | undefined;
}

/** Reads a public key: PEM, a certificate, or a JWK. Otherwise says what is wrong, with the remedy behind ' — '. */
export function readPublicKey(source: unknown): PublicKey | string {
  const isText = typeof source === 'string';
  if (isText && source.trimStart().startsWith('{')) return readJwkText(source);
  if (!isText) return readJwk(source);
  if (/PRIVATE KEY-----/.test(source)) return HOLDS_PRIVATE;
  try {
    return usableKey(createPublicKey(source), undefined);
  } catch {
    return 'is not a public key — write PEM (BEGIN PUBLIC KEY or BEGIN CERTIFICATE) or a JWK';
  }
}

/** Reads a JWK (RFC 7517) that signatures may be verified with, as `readPublicKey` does. */
export function readJwk(source: unknown): PublicKey | string {
  const { kty, d, use, key_ops, alg, kid } = asFields(source);
  if (kty === 'oct') return 'is a secret — write it as secret';
  if (d !== undefined) return HOLDS_PRIVATE;
  if (use !== undefined && use !== 'sig') return 'is a key for encryption — use one for signatures';
  if (key_ops !== undefined && !(Array.isArray(key_ops) && key_ops.includes('verify')))
    return 'is a key that does not verify — use one whose key_ops say verify';
  let key: KeyObject;
  try {
    key = createPublicKey({ key: source as JsonWebKey, format: 'jwk' });
  } catch {
    return 'is not a JWK — write one with kty and its members';
  }
  const made = usableKey(key, typeof kid === 'string' ? kid : undefined);
  if (typeof made === 'string' || alg === undefined) return made;
  const algorithms = made.algorithms.filter((name) => name === alg);
  if (algorithms.length === 0)
    return 'names an algorithm that does not fit the key — correct alg, or leave it out';
  return { ...made, algorithms };
}

/** Reads a set of JWKs (RFC 7517 §5): the keys that can be used. The others are left out, as the RFC wants. */
export function readKeySet(source: unknown): PublicKey[] {
  const { keys } = asFields(source);
  if (!Array.isArray(keys)) return [];
  return keys.map(readJwk).filter((key) => typeof key !== 'string');
}

const MAX_EXPLAINED = 5;

/** Says of a set without a usable key what is in it. */
export function explainUnusable(source: unknown): string {
  const keys = asFields(source).keys as readonly unknown[];
  if (keys.length === 0) return 'the key set is empty';
  const faults = keys.slice(0, MAX_EXPLAINED).map((key, i) => {
    const { kid } = asFields(key);
    const fault = String(readJwk(key)).split(' — ', 1)[0];
    return `${typeof kid === 'string' ? `'${kid.slice(0, 60)}'` : `key ${i + 1}`} ${fault}`;
  });
  const more = keys.length > MAX_EXPLAINED ? `; ${keys.length - MAX_EXPLAINED} more` : '';
  return `the key set has no key that signatures can be verified with: ${faults.join('; ')}${more}`;
}

/** Says what is wrong with the text of a key set, with the remedy behind ' — ', or nothing. */
export function findKeySetFault(text: string): string | undefined {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    return 'names a file that holds no JSON — write a JWK set: { "keys": [ … ] }';
  }
  if (!Array.isArray(asFields(set).keys))
    return 'names a file that holds no JWK set — write { "keys": [ … ] }';
  if (readKeySet(set).length === 0)
    return 'names a file without a key that signatures can be verified with — add a public one';
  return undefined;
}

const HOLDS_PRIVATE = 'holds a private key, which only the issuer may have — write the public one';

function readJwkText(text: string): PublicKey | string {
  try {
    return readJwk(JSON.parse(text));
  } catch {
    return 'is not JSON, though it begins like a JWK — correct it';
  }
}

function usableKey(key: KeyObject, id: string | undefined): PublicKey | string {
  return findKeyFault(key) ?? { key, algorithms: algorithmsOf(key), id };
}
