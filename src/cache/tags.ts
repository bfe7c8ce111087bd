import { trimOws } from '../core/fields/field-text.ts';
import { parseList } from '../core/fields/structured-fields.ts';
import type { HeaderList } from '../core/header-list.ts';

const MAX_TAGS = 128;
const MAX_TAG_LENGTH = 256;

/**
 * Reads the tags of a response, by which it can be purged: `Cache-Tag` (by commas), `Surrogate-Key` (by spaces) and
 * `Cache-Groups` (a list of strings, RFC 9875 §2). Each once; whole tags, in their case. No more than 128, of at most 256
 * characters: what is beyond that is not a tag.
 */
export function tagsOf(headers: HeaderList): readonly string[] {
  const tagged = headers.get('cache-tag');
  const keyed = headers.get('surrogate-key');
  const grouped = headers.get('cache-groups');
  if (tagged === undefined && keyed === undefined && grouped === undefined) return NO_TAGS;
  const tags = new Set<string>();
  const add = (tag: string): void => {
    if (tag !== '' && tag.length <= MAX_TAG_LENGTH && tags.size < MAX_TAGS) tags.add(tag);
  };
  for (const tag of (tagged ?? '').split(',')) add(trimOws(tag));
  for (const tag of (keyed ?? '').split(/[ \t,]+/)) add(tag);
  for (const item of parseList(grouped ?? '') ?? [])
    if (item.kind === 'item' && item.value.kind === 'string') add(item.value.text);
  return [...tags];
}

const NO_TAGS: readonly string[] = [];
