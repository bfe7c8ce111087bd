import { createHmac, timingSafeEqual } from 'node:crypto';

/** Hashes keys with the pepper, without which a stolen store says nothing about the keys in it. */
export class KeyHasher {
  /** Tells stores that were written with another pepper, and says nothing about this one. */
  readonly fingerprint: string;
  private readonly pepper: string;

  constructor(pepper: string) {
    this.pepper = pepper;
    this.fingerprint = this.hash('fingerprint of the pepper').toString('base64url').slice(0, 16);
  }

  /**
   * Hashes a key with HMAC-SHA-256. Its secret is 256 random bits, so nobody can try them all, and a slow hash would
   * only be a way to keep us busy.
   */
  hash(key: string): Buffer {
    return createHmac('sha256', this.pepper).update(key).digest();
  }
}

/** Finds which of the stored hashes is this one, in a time that tells nothing: as many comparisons whatever is stored. */
export function findHash(hash: Buffer, stored: readonly string[]): number {
  let found = -1;
  for (let i = 0; i < LIVE_SECRETS; i++) {
    const other = Buffer.from(stored[i] ?? NO_HASH, 'base64url');
    const isSame = other.length === hash.length && timingSafeEqual(hash, other);
    if (isSame && i < stored.length) found = i;
  }
  return found;
}

/** How many secrets of one key live at a time, during a rotation. */
export const LIVE_SECRETS = 2;

const NO_HASH = Buffer.alloc(32).toString('base64url');
