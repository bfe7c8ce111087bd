import type { HeaderList } from '../../core/header-list.ts';

/** What names the bytes of a body (RFC 9530, RFC 3230, RFC 1864), and what follows it. */
const DIGESTS = ['content-digest', 'repr-digest', 'digest', 'content-md5', 'trailer'] as const;

/**
 * What names a representation, which ours is not: by it caches and clients would take one for the other, or ask for a
 * part of it (RFC 9110 §8.8, §14.3).
 */
const VALIDATORS = ['etag', 'last-modified', 'accept-ranges'] as const;

/** What asks for less than the whole, or for other bytes than can be read. Preconditions of writes (`If-Match`) stay. */
const PARTIAL = ['range', 'if-range', 'if-none-match', 'if-modified-since', 'accept-encoding'] as const;

/** What is said of a body that there is not (RFC 9110 §8.3 to §8.7). */
const CONTENT = [
  'content-type',
  'content-encoding',
  'content-language',
  'content-length',
  'content-range',
] as const;

/** Takes away what does not hold for another body. */
export function dropDigests(headers: HeaderList): void {
  dropAll(headers, DIGESTS);
}

/** Takes away what does not hold for another representation. */
export function dropValidators(headers: HeaderList): void {
  dropAll(headers, DIGESTS);
  dropAll(headers, VALIDATORS);
}

/** Takes away what speaks of a body. */
export function dropContent(headers: HeaderList): void {
  dropValidators(headers);
  dropAll(headers, CONTENT);
}

/** Copies the header of a request for a whole response in plain bytes; `undefined` where it asks for that anyway. */
export function askForWhole(headers: HeaderList): HeaderList | undefined {
  if (!PARTIAL.some((name) => headers.has(name))) return undefined;
  const copy = headers.clone();
  dropAll(copy, PARTIAL);
  return copy;
}

function dropAll(headers: HeaderList, names: readonly string[]): void {
  for (const name of names) headers.delete(name);
}
