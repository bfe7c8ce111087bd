import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

/** How much work a guess is (RFC 7914 §2). */
export interface HashCost {
  readonly logN: number;
  readonly blockSize: number;
  readonly parallelism: number;
}

/** A password as it is kept: what scrypt makes of it, and how. */
export interface PasswordHash extends HashCost {
  readonly salt: Buffer;
  readonly hash: Buffer;
}

const FORMAT =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43,86})$/;
/** Of two ways that OWASP finds equally good, the one that takes 32 MiB for a check. */
const USUAL = { logN: 15, blockSize: 8, parallelism: 3 };
const MAX_MEMORY = 256 * 1024 * 1024;

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);

/** Says why a text is not a hash that can be checked, with the remedy behind ' — ', or nothing. */
export function findHashFault(text: string): string | undefined {
  const found = readHash(text);
  if (found === undefined)
    return 'is not the hash of a password — write what `sallyport hash-password` prints';
  const { logN, blockSize, parallelism } = found;
  if (logN < 10 || blockSize < 1 || parallelism < 1)
    return 'is a hash that is guessed too easily — make it anew with `sallyport hash-password`';
  if (parallelism > 16 || memoryOf(found) > MAX_MEMORY)
    return 'is a hash that takes too long to check — make it anew with `sallyport hash-password`';
  return undefined;
}

/** Reads a hash in which `findHashFault` has found nothing. */
export function parseHash(text: string): PasswordHash {
  const found = readHash(text);
  if (found === undefined) throw new TypeError('this is not the hash of a password');
  return found;
}

/** Makes the hash of a password, as configurations hold it. */
export async function hashPassword(password: string, cost: HashCost = USUAL): Promise<string> {
  const { logN, blockSize, parallelism } = cost;
  const salt = randomBytes(16);
  const hash = await deriveHash(password, { ...cost, salt, hash: Buffer.alloc(32) });
  return `$scrypt$ln=${logN},r=${blockSize},p=${parallelism}$${unpadded(salt)}$${unpadded(hash)}`;
}

/** Tells whether a password is the one that was hashed. Takes as long whichever it is. */
export async function isPassword(password: string, kept: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await deriveHash(password, kept), kept.hash);
}

/** Makes a hash that takes as long to check as `like` and that no password has. */
export function impossibleHash(like: PasswordHash): PasswordHash {
  return { ...like, salt: randomBytes(16), hash: randomBytes(like.hash.length) };
}

function readHash(text: string): PasswordHash | undefined {
  const [, logN, blockSize, parallelism, salt, hash] = FORMAT.exec(text) ?? [];
  if (salt === undefined || hash === undefined) return undefined;
  return {
    logN: Number(logN),
    blockSize: Number(blockSize),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
}

function deriveHash(password: string, kept: PasswordHash): Promise<Buffer> {
  const { logN, blockSize, parallelism, salt, hash } = kept;
  const cost = { N: 2 ** logN, r: blockSize, p: parallelism, maxmem: 2 * memoryOf(kept) };
  return derive(password, salt, hash.length, cost);
}

function memoryOf({ logN, blockSize, parallelism }: PasswordHash): number {
  return 128 * blockSize * (2 ** logN + parallelism + 2);
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
