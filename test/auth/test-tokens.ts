import {
  constants,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
} from 'node:crypto';

/** Signs tokens the long way, by `node:crypto` and string concatenation, so that they can be wrong in every way. */
export interface Signer {
  readonly algorithm: string;
  readonly keyId: string | undefined;
  /** PEM of the public key; empty for a secret. */
  readonly pem: string;
  /** The public key as JWK, with `kid`. */
  readonly jwk: JsonWebKey & Record<string, unknown>;
  sign(data: string): Buffer;
  /** The same key, used with another algorithm. */
  as(algorithm: string): Signer;
}

const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

/** Makes a key pair for an algorithm. */
export function createSigner(algorithm: string, keyId?: string, rsaBits = 2048): Signer {
  const { privateKey, publicKey } = keyPair(algorithm, rsaBits);
  return signerOf(algorithm, keyId, privateKey, publicKey);
}

function keyPair(algorithm: string, modulusLength: number) {
  const namedCurve = CURVES[algorithm];
  if (namedCurve !== undefined) return generateKeyPairSync('ec', { namedCurve });
  return /^Ed/.test(algorithm)
    ? generateKeyPairSync('ed25519')
    : generateKeyPairSync('rsa', { modulusLength });
}

function signerOf(
  algorithm: string,
  keyId: string | undefined,
  privateKey: KeyObject,
  publicKey: KeyObject,
): Signer {
  return {
    algorithm,
    keyId,
    pem: createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })).export({
      type: 'spki',
      format: 'pem',
    }) as string,
    jwk: { ...publicKey.export({ format: 'jwk' }), ...(keyId !== undefined && { kid: keyId }) },
    sign: (data) => signWith(algorithm, privateKey, data),
    as: (another) => signerOf(another, keyId, privateKey, publicKey),
  };
}

/** Makes a signer of a secret. */
export function createSecretSigner(secret: string | Buffer, algorithm = 'HS256', keyId?: string): Signer {
  const hash = `sha${algorithm.slice(2)}`;
  return {
    algorithm,
    keyId,
    pem: '',
    jwk: {},
    sign: (data) => createHmac(hash, secret).update(data).digest(),
    as: (another) => createSecretSigner(secret, another, keyId),
  };
}

function signWith(algorithm: string, key: KeyObject, data: string): Buffer {
  const bytes = Buffer.from(data);
  if (algorithm.startsWith('Ed')) return sign(null, bytes, key);
  const hash = `sha${algorithm.slice(2)}`;
  if (algorithm.startsWith('ES')) return sign(hash, bytes, { key, dsaEncoding: 'ieee-p1363' });
  if (algorithm.startsWith('RS')) return sign(hash, bytes, key);
  return sign(hash, bytes, {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  });
}

export const ISSUER = 'https://id.example.com';
export const AUDIENCE = 'orders-api';

/** Claims that everybody takes, but for what `changes` say; `undefined` takes one out. */
export function goodClaims(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000);
  return { iss: ISSUER, aud: AUDIENCE, sub: 'ada', iat: now, exp: now + 600, ...changes };
}

/** Signs a token. Header and claims may be JSON text of any shape, claims bytes as well. */
export function signToken(
  signer: Signer,
  claims: object | string = goodClaims(),
  header: object | string = {},
): string {
  const usual = { alg: signer.algorithm, typ: 'JWT', kid: signer.keyId };
  const head = typeof header === 'string' ? header : JSON.stringify({ ...usual, ...header });
  const body = typeof claims === 'string' || Buffer.isBuffer(claims) ? claims : JSON.stringify(claims);
  const data = `${base64url(head)}.${base64url(body)}`;
  return `${data}.${signer.sign(data).toString('base64url')}`;
}

export function base64url(text: string | Buffer): string {
  return Buffer.from(text).toString('base64url');
}
