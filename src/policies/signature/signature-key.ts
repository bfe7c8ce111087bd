import {
  constants,
  createHmac,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
  verify,
} from 'node:crypto';

import { isLossyText, secretBytesOf } from '../../core/identity/secret-bytes.ts';

/** The algorithms of RFC 9421 §3.3. */
export const SIGNATURE_ALGORITHMS = [
  ...(['hmac-sha256', 'ed25519', 'ecdsa-p256-sha256', 'ecdsa-p384-sha384'] as const),
  ...(['rsa-pss-sha512', 'rsa-v1_5-sha256'] as const),
] as const;

export type SignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number];

/** A key as written: one of the three. */
export interface WrittenKey {
  readonly secret?: string | undefined;
  readonly base64Secret?: string | undefined;
  readonly publicKey?: string | undefined;
  readonly algorithm?: SignatureAlgorithm | undefined;
}

/** A key with the one algorithm that it is for. */
export interface SignatureKey {
  readonly algorithm: SignatureAlgorithm;
  readonly key: KeyObject;
}

const MIN_SECRET_BYTES = 32;
const MIN_RSA_BITS = 2048;

/** Makes the key, or says what is wrong with it, with the remedy behind ' — '. */
export function readSignatureKey(written: WrittenKey): SignatureKey | string {
  const { secret, base64Secret, publicKey, algorithm } = written;
  if ([secret, base64Secret, publicKey].filter((each) => each !== undefined).length !== 1)
    return 'has not exactly one key — write secret, base64Secret or publicKey';
  if (publicKey !== undefined) return readPublicKey(publicKey, algorithm);
  if (secret !== undefined && isLossyText(secret))
    return 'has a secret of bytes that are not text — write them in base64, as base64Secret';
  const bytes = secretBytesOf(written) as Buffer;
  if (bytes.length < MIN_SECRET_BYTES)
    return `has a secret of fewer than ${MIN_SECRET_BYTES} bytes — make one with openssl rand -base64 32`;
  if (algorithm !== undefined && algorithm !== 'hmac-sha256')
    return `has a secret, which is not for ${algorithm} — leave algorithm out, or write publicKey`;
  return { algorithm: 'hmac-sha256', key: createSecretKey(bytes) };
}

/** Tells whether `signature` is one of `text` by this key, and by the algorithm of this key. */
export function isSignature(text: string, signature: Buffer, { algorithm, key }: SignatureKey): boolean {
  // Field values are bytes, which latin1 stands for one by one.
  const data = Buffer.from(text, 'latin1');
  switch (algorithm) {
    case 'hmac-sha256': {
      const due = createHmac('sha256', key).update(data).digest();
      return signature.length === due.length && timingSafeEqual(signature, due);
    }
    case 'ed25519':
      return verify(null, data, key, signature);
    case 'ecdsa-p256-sha256':
      return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature);
    case 'ecdsa-p384-sha384':
      return verify('sha384', data, { key, dsaEncoding: 'ieee-p1363' }, signature);
    case 'rsa-pss-sha512': {
      const padding = constants.RSA_PKCS1_PSS_PADDING;
      return verify('sha512', data, { key, padding, saltLength: 64 }, signature);
    }
    case 'rsa-v1_5-sha256':
      return verify('sha256', data, { key, padding: constants.RSA_PKCS1_PADDING }, signature);
  }
}

function readPublicKey(pem: string, named: SignatureAlgorithm | undefined): SignatureKey | string {
  if (/PRIVATE KEY/.test(pem))
    return 'holds a private key, which belongs to the client alone — write its public key';
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    return 'holds no readable public key — write it as PEM, from -----BEGIN PUBLIC KEY----- on';
  }
  const fitting = algorithmsFor(key);
  const [usual] = fitting;
  if (usual === undefined)
    return `is of a kind that is not known here — use Ed25519, ECDSA with P-256 or P-384, or RSA of at least ${MIN_RSA_BITS} bits`;
  const algorithm = named ?? usual;
  if (fitting.includes(algorithm)) return { algorithm, key };
  return `is not for ${algorithm} — write ${fitting.join(' or ')}, or leave algorithm out`;
}

/** The algorithms that a key may be used with, the usual one first. */
function algorithmsFor({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): SignatureAlgorithm[] {
  if (asymmetricKeyType === 'ed25519') return ['ed25519'];
  if (asymmetricKeyType === 'ec') {
    const { namedCurve } = asymmetricKeyDetails ?? {};
    if (namedCurve === 'prime256v1') return ['ecdsa-p256-sha256'];
    return namedCurve === 'secp384r1' ? ['ecdsa-p384-sha384'] : [];
  }
  if ((asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS) return [];
  if (asymmetricKeyType === 'rsa-pss') return ['rsa-pss-sha512'];
  return asymmetricKeyType === 'rsa' ? ['rsa-pss-sha512', 'rsa-v1_5-sha256'] : [];
}
