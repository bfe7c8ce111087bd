import { createHash, timingSafeEqual } from 'node:crypto';
import { parseDictionary } from '../../core/fields/structured-fields.ts';

/** The algorithms of RFC 9530 that are not broken. */
const HASHES: Readonly<Record<string, string>> = { 'sha-256': 'sha256', 'sha-512': 'sha512' };

/** Tells whether the value of `Content-Digest` is that of these bytes: every digest in it that is known, and at least one. */
export function isContentDigest(field: string | undefined, bytes: Uint8Array): boolean {
  const digests = field === undefined ? undefined : parseDictionary(field);
  if (digests === undefined) return false;
  let known = 0;
  for (const [name, member] of digests) {
    const hash = Object.hasOwn(HASHES, name) ? HASHES[name] : undefined;
    if (hash === undefined) continue;
    if (member.kind !== 'item' || member.value.kind !== 'bytes') return false;
    const due = createHash(hash).update(bytes).digest();
    if (member.value.bytes.length !== due.length || !timingSafeEqual(member.value.bytes, due)) return false;
    known++;
  }
  return known > 0;
}
