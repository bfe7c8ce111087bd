import { trimOws } from '../core/fields/field-text.ts';
import type { HeaderList } from '../core/header-list.ts';
import { dateOf } from './freshness.ts';
import { parseHttpDate } from './http-date.ts';

const ENTITY_TAG = /(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/y;

/** What a stored response is told from others by. */
export interface Validators {
  readonly headers: HeaderList;
  readonly responseTime: number;
}

/**
 * Tells whether the client has what is stored already, so that 304 is the answer (RFC 9110 §13.2.2, §13.1.2, §13.1.3).
 * `If-None-Match` counts alone where it is there.
 */
export function isNotModified(request: HeaderList, stored: Validators): boolean {
  const noneMatch = request.get('if-none-match');
  if (noneMatch !== undefined) return matchesAny(noneMatch, stored.headers.get('etag'));
  const since = request.get('if-modified-since');
  if (since === undefined) return false;
  const { headers, responseTime } = stored;
  const asked = parseHttpDate(since, responseTime);
  if (asked === undefined) return false;
  const modified = timeOf(headers.get('last-modified'), responseTime) ?? dateOf(headers, responseTime);
  return modified <= asked;
}

/** Compares weakly (RFC 9110 §8.8.3.2), since the client only wants to know whether its copy still does. */
export function matchesAny(list: string, etag: string | undefined): boolean {
  if (trimOws(list) === '*') return true;
  if (etag === undefined) return false;
  const wanted = opaqueOf(etag);
  return entityTagsOf(list).some((tag) => opaqueOf(tag) === wanted);
}

/** Reads a list of entity tags, up to what is none. Commas inside of them do not separate. */
function entityTagsOf(list: string): string[] {
  const tags: string[] = [];
  for (let at = 0; at < list.length; ) {
    while (/[ \t,]/.test(list[at] ?? '')) at++;
    ENTITY_TAG.lastIndex = at;
    const found = ENTITY_TAG.exec(list);
    if (found === null) break;
    tags.push(found[0]);
    at = ENTITY_TAG.lastIndex;
  }
  return tags;
}

function opaqueOf(etag: string): string {
  return etag.startsWith('W/') ? etag.slice(2) : etag;
}

/** Whether both are strong and the same (RFC 9110 §8.8.3.2), as ranges ask for. */
export function isSameStrong(one: string, other: string | undefined): boolean {
  return other !== undefined && one === other && !one.startsWith('W/') && one.startsWith('"');
}

/** Whether `If-Range` lets a range of what is stored be sent (RFC 9110 §13.1.5); yes where it is not there. */
export function allowsRange(request: HeaderList, { headers, responseTime }: Validators): boolean {
  const condition = request.get('if-range')?.trim();
  if (condition === undefined) return true;
  if (condition.includes('"')) return isSameStrong(condition, headers.get('etag'));
  const asked = parseHttpDate(condition, responseTime);
  const modified = headers.get('last-modified');
  if (asked === undefined || timeOf(modified, responseTime) !== asked) return false;
  // A date is a strong validator only where it is at least a second older than the response (RFC 9110 §8.8.2.2).
  return dateOf(headers, responseTime) - asked >= 1000;
}

function timeOf(text: string | undefined, now: number): number | undefined {
  return text === undefined ? undefined : parseHttpDate(text, now);
}
