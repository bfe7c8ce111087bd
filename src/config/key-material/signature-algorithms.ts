import type { KeyObject } from 'node:crypto';

/** The algorithms of JWS that are taken (RFC 7518 §3.1, RFC 8037, RFC 9864); `none` is not among them. */
export const SIGNATURE_ALGORITHMS = [
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

export type SignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number];

const RSA = SIGNATURE_ALGORITHMS.filter((name) => /^[RP]S/.test(name));
const MIN_RSA_BITS = 2048;
const BY_CURVE: Readonly<Record<string, SignatureAlgorithm>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

/** Tells whether an algorithm signs with a secret that both sides know. */
export function isSymmetric(algorithm: string): boolean {
  return algorithm.startsWith('HS');
}

/** Lists the algorithms that a public key may be used with, none for a kind that is not taken. */
export function algorithmsOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): SignatureAlgorithm[] {
  if (asymmetricKeyType === 'rsa') return [...RSA];
  if (asymmetricKeyType === 'ed25519') return ['EdDSA', 'Ed25519'];
  const ofCurve = BY_CURVE[asymmetricKeyDetails?.namedCurve ?? ''];
  return asymmetricKeyType === 'ec' && ofCurve !== undefined ? [ofCurve] : [];
}

/** Says why a public key cannot be used, with the remedy behind ' — ', or nothing. */
export function findKeyFault(key: KeyObject): string | undefined {
  if (algorithmsOf(key).length === 0)
    return 'is a key of a kind that is not taken — use RSA, Ed25519, or EC on P-256, P-384 or P-521';
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < MIN_RSA_BITS)
    return `is an RSA key of ${bits} bits, which can be broken — use one of at least ${MIN_RSA_BITS}`;
  return undefined;
}

/** Gives the least bytes of a secret: as many as its hash has (RFC 7518 §3.2). */
export function minSecretBytes(algorithms: readonly string[]): number {
  return Math.max(32, ...algorithms.filter(isSymmetric).map((name) => Number(name.slice(2)) / 8));
}
