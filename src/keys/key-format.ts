import { randomBytes } from 'node:crypto';
// As a whole, since an old Node has no `crc32` and is to say so in our words.
import zlib from 'node:zlib';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_LENGTH = 12;
/** 62^43 is just above 2^256. */
const SECRET_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
const KEY = /^sp_[a-z0-9]{1,16}_([0-9A-Za-z]{12})_[0-9A-Za-z]{49}$/;

/** Makes the random id of a new key, by which it is found, shown and named in logs. */
export function newKeyId(): string {
  return randomDigits(ID_LENGTH);
}

/** Makes a key `sp_<environment>_<id>_<secret and checksum>`: 256 random bits, and a CRC-32 of all before it. */
export function makeKey(environment: string, id: string): string {
  const unchecked = `sp_${environment}_${id}_${randomDigits(SECRET_LENGTH)}`;
  return unchecked + checksumOf(unchecked);
}

/** Finds the id in a key, or nothing where it cannot be a key of ours: one letter that is wrong is seen here. */
export function findKeyId(key: string): string | undefined {
  const id = KEY.exec(key)?.[1];
  if (id === undefined) return undefined;
  const end = key.length - CHECKSUM_LENGTH;
  return checksumOf(key.slice(0, end)) === key.slice(end) ? id : undefined;
}

function checksumOf(text: string): string {
  let rest = zlib.crc32(text);
  let digits = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    digits = (DIGITS[rest % DIGITS.length] as string) + digits;
    rest = Math.floor(rest / DIGITS.length);
  }
  return digits;
}

/** Every digit is as likely as any other: bytes above the last whole multiple are thrown away. */
function randomDigits(length: number): string {
  const limit = 256 - (256 % DIGITS.length);
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < limit && text.length < length) text += DIGITS[byte % DIGITS.length];
    }
  }
  return text;
}
