import { createHash, timingSafeEqual } from 'node:crypto';

/** Makes a function that tells whether an `Authorization` carries `token`, in a time that does not depend on it. */
export function createBearerCheck(token: string): (authorization: string | undefined) => boolean {
  if (token.trim() === '') throw new TypeError('the admin token is empty: set admin.token, or leave it out');
  const expected = digestOf(token);
  return (authorization) => {
    const given = /^bearer +(.+?) *$/i.exec(authorization ?? '')?.[1];
    return given !== undefined && timingSafeEqual(digestOf(given), expected);
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
