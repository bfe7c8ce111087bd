import { createHash, timingSafeEqual } from 'node:crypto';
import { trimOws } from '../core/fields/field-text.ts';

/** Makes a function that tells whether an `Authorization` carries `token`, in a time that does not depend on it. */
export function createBearerCheck(token: string): (authorization: string | undefined) => boolean {
  if (token.trim() === '') throw new TypeError('the admin token is empty: set admin.token, or leave it out');
  const expected = digestOf(Buffer.from(token, 'utf8'));
  return (authorization) => {
    const given = readBearer(authorization);
    return given !== undefined && timingSafeEqual(digestOf(given), expected);
  };
}

const SCHEME = /^bearer /i;

/** Reads the bytes of a token. In steps that each pass over the value once, since nobody is known yet. */
function readBearer(authorization = ''): Buffer | undefined {
  if (!SCHEME.test(authorization)) return undefined;
  const token = trimOws(authorization.slice('bearer '.length));
  // A field value is bytes, one character each.
  return token === '' ? undefined : Buffer.from(token, 'latin1');
}

function digestOf(token: Buffer): Buffer {
  return createHash('sha256').update(token).digest();
}
