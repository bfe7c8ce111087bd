import { parseDictionary } from '../core/fields/structured-fields.ts';
import type { HeaderList } from '../core/header-list.ts';
import { type Directives, NO_DIRECTIVES, parseDirectives } from './directives.ts';

/** The directives that hold for this cache, and whether they were meant for caches like it alone. */
export interface CacheDirectives {
  readonly directives: Directives;
  readonly isTargeted: boolean;
}

/**
 * Reads what a response says to a shared cache: `CDN-Cache-Control` where there is a valid one, which then wins over
 * `Cache-Control` and `Expires` both ways, else `Cache-Control` (RFC 9213 §2.2).
 */
export function directivesForCaches(headers: HeaderList): CacheDirectives {
  const targeted = readTargeted(headers.get('cdn-cache-control'));
  if (targeted !== undefined) return { directives: targeted, isTargeted: true };
  return { directives: parseDirectives(headers.get('cache-control')), isTargeted: false };
}

/** A targeted field is a dictionary; one that is invalid, or empty, or has a number of another type, is ignored. */
function readTargeted(text: string | undefined): Directives | undefined {
  if (text === undefined) return undefined;
  const members = parseDictionary(text);
  if (members === undefined || members.size === 0) return undefined;
  const written: string[] = [];
  for (const [name, member] of members) {
    // RFC 9213 §2.1: parameters are ignored, and so is a directive whose value has another type than its own.
    if (member.kind === 'list') continue;
    const { value } = member;
    if (value.kind === 'integer') {
      if (value.value < 0) return undefined;
      written.push(`${name}=${value.value}`);
    } else if (value.kind === 'boolean') {
      if (value.value) written.push(name);
    } else if (NUMBERED.has(name)) return undefined;
    else if (value.kind === 'string') written.push(`${name}="${value.text}"`);
  }
  return written.length === 0 ? NO_DIRECTIVES : parseDirectives(written.join(', '));
}

const NUMBERED: ReadonlySet<string> = new Set([
  'max-age',
  's-maxage',
  'stale-while-revalidate',
  'stale-if-error',
]);
