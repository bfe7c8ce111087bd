/**
 * How a listener spells paths: what it lets through although servers disagree about it. What is allowed stays
 * as it is: an encoded slash as `%2F`, a backslash as `%5C`, `;` as `;`, NUL as `%00`.
 */
export interface SpellingRules {
  readonly slash: boolean;
  readonly backslash: boolean;
  readonly semicolon: boolean;
  readonly nul: boolean;
  /** Percent-encoded bytes that are not UTF-8. */
  readonly invalidUtf8: boolean;
  /** What is a delimiter, or another character, for who decodes twice: `%252F`. */
  readonly doubleEncoded: boolean;
  /** Whether several slashes are one. */
  readonly mergeSlashes: boolean;
}

/** As a listener spells that says nothing about it. */
export const DEFAULT_SPELLING: SpellingRules = {
  slash: false,
  backslash: false,
  semicolon: false,
  nul: false,
  invalidUtf8: false,
  doubleEncoded: true,
  mergeSlashes: true,
};

export type SpelledPath =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly reason: string };

const BROKEN_PERCENT = /%(?![0-9A-Fa-f]{2})/;
const FORBIDDEN_RAW = /[^\x21-\x7e]|[#"<>?]/;
const SLASH = /%2f/i;
const BACKSLASH = /\\|%5c/i;
const SEMICOLON = /;|%3b/i;
const NUL = /%00/;
/** Servers that decode `%2F`, read `\` as `/` or cut at `;` see a dot segment here, so none may hide behind an allowance. */
const HIDDEN_DOT_SEGMENT = /(?:^|\/|\\|%2f|%5c)\.{1,2}(?:$|\/|\\|;|%2f|%5c|%3b|%00)/i;

/** What a second decoding makes another text, a delimiter above all, also as IIS encodes. */
const DOUBLE_ENCODED = /%25(?:[0-9A-F]{2}|u)/i;

/**
 * What RFC 3986 allows raw in a segment and no server takes for a delimiter. `;` is none of them: some cut a segment
 * at it, and none at `%3B`.
 */
const PLAIN = /[A-Za-z0-9._~!$&'()*+,=:@-]/;
const ENCODED_RUN = /(?:%[0-9A-F]{2})+/g;
const ENCODED = /%[0-9A-Fa-f]{2}/g;
/** Not in RFC 3986's path characters, yet sent raw by real clients; written encoded, so that both spellings are one. */
const LEFT_RAW = /[[\]\\^`{|}]/g;

/**
 * Gives the one spelling of a raw path: 1. doubtful characters are rejected, 2. each character gets one spelling,
 * 3. empty segments are merged and dot segments resolved, never above the root.
 */
export function spellPath(raw: string, allow: SpellingRules): SpelledPath {
  // 1.
  const reason = findFault(raw, allow);
  if (reason !== undefined) return { ok: false, reason };
  // 2.
  const spelled = spellCharacters(raw);
  if (!allow.doubleEncoded && DOUBLE_ENCODED.test(spelled))
    return { ok: false, reason: 'The path holds a character that is encoded twice' };
  // 3.
  const path = resolveSegments(spelled, allow.mergeSlashes);
  if (path === undefined) return { ok: false, reason: 'The path holds ".." behind an empty segment' };
  if (hasDotSegment(path)) return { ok: false, reason: 'The path hides a dot segment' };
  return { ok: true, path };
}

/**
 * Spells each character in one way: plain what RFC 3986 allows raw in a segment, all others as upper-case percent
 * forms. To RFC 3986 §2.2 `:` and `%3A` may differ; to the services behind they are one: nginx, Go, Flask, Django,
 * Spring and Express decode both to the same before they look for a route. Plain, as nearly all clients send it.
 */
export function spellCharacters(raw: string): string {
  return raw.replace(ENCODED, spellEncoded).replace(LEFT_RAW, encodeURIComponent);
}

/** Tells whether some server may find a `.` or `..` segment in `path`. */
export function hasDotSegment(path: string): boolean {
  return HIDDEN_DOT_SEGMENT.test(path);
}

function findFault(raw: string, allow: SpellingRules): string | undefined {
  if (FORBIDDEN_RAW.test(raw)) return 'The path holds a character that must be percent-encoded';
  if (BROKEN_PERCENT.test(raw)) return 'The path holds a "%" without two hexadecimal digits';
  if (!allow.slash && SLASH.test(raw)) return 'The path holds an encoded slash';
  if (!allow.backslash && BACKSLASH.test(raw)) return 'The path holds a backslash';
  if (!allow.semicolon && SEMICOLON.test(raw)) return 'The path holds a semicolon';
  if (!allow.nul && NUL.test(raw)) return 'The path holds a NUL';
  if (!allow.invalidUtf8 && !isUtf8(raw)) return 'The path is not valid UTF-8';
  return undefined;
}

/** Decodes a spelled path or a part of it. Bytes that are no UTF-8 stay in their percent forms, and what stands beside them. */
export function decodePath(path: string): string {
  return path.replace(ENCODED_RUN, (run) => (isUtf8(run) ? decodeURIComponent(run) : run));
}

function isUtf8(raw: string): boolean {
  try {
    decodeURIComponent(raw);
    return true;
  } catch {
    return false;
  }
}

function spellEncoded(encoded: string): string {
  const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
  return PLAIN.test(character) ? character : encoded.toUpperCase();
}

/**
 * Merges first and resolves then, as nginx and file systems do: `/a//../b` is `/b`. Where slashes are kept, the same
 * would be `/a/b` to RFC 3986 §5.2.4: `undefined`, since servers disagree.
 */
function resolveSegments(path: string, mergesSlashes: boolean): string | undefined {
  const kept: string[] = [];
  const segments = path.split('/');
  const last = segments.length - 1;
  let endsOpen = false;
  for (let i = 1; i <= last; i++) {
    const segment = segments[i] as string;
    endsOpen = segment === '' || segment === '.' || segment === '..';
    if (segment === '..') {
      if (kept.pop() === '') return undefined;
    } else if (!endsOpen || (segment === '' && i < last && !mergesSlashes)) kept.push(segment);
  }
  const joined = `/${kept.join('/')}`;
  return endsOpen && kept.length > 0 ? `${joined}/` : joined;
}
