import type { StoredResponse } from '../core/stores/cache-store.ts';

/** What objects, maps and lists around a response take beside its text and body; measured on a million small ones. */
const RESPONSE_OVERHEAD = 900;
const RESOURCE_OVERHEAD = 700;
const FIELD_OVERHEAD = 48;

/** Estimates the memory that a stored response takes, in bytes, bookkeeping included. */
export function sizeOfResponse({ headers, body, variantKey, tags }: StoredResponse): number {
  let bytes = RESPONSE_OVERHEAD + body.length + variantKey.length;
  const lines = headers.toLines();
  bytes += lines.length;
  for (let end = lines.indexOf('\n'); end >= 0; end = lines.indexOf('\n', end + 1)) bytes += FIELD_OVERHEAD;
  for (const tag of tags) bytes += tag.length + FIELD_OVERHEAD;
  return bytes;
}

/** Estimates the memory that a resource takes beside its responses. */
export function sizeOfResource(key: string, url: string): number {
  return RESOURCE_OVERHEAD + key.length + url.length;
}
