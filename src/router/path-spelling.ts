/**
 * Which characters a listener lets through although servers disagree about them. All are refused by default.
 * What is allowed stays as it is: an encoded slash as `%2F`, a backslash as `%5C`, `;` as `;`, NUL as `%00`.
 */
export interface EncodedAllowances {
  readonly slash: boolean;
  readonly backslash: boolean;
  readonly semicolon: boolean;
  readonly nul: boolean;
}

/** Lets nothing doubtful through. */
export const NO_ALLOWANCES: EncodedAllowances = {
  slash: false,
  backslash: false,
  semicolon: false,
  nul: false,
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

const UNRESERVED = /[A-Za-z0-9._~-]/;
const ENCODED = /%[0-9A-Fa-f]{2}/g;
/** Not in RFC 3986's path characters, yet sent raw by real clients; written encoded, so that both spellings are one. */
const LEFT_RAW = /[[\]\\^`{|}]/g;

/**
 * Gives the one spelling of a raw path: 1. doubtful characters are refused, 2. each character gets one spelling,
 * 3. empty segments are merged and dot segments resolved, never above the root.
 */
export function spellPath(raw: string, allow: EncodedAllowances): SpelledPath {
  // 1.
  const reason = findFault(raw, allow);
  if (reason !== undefined) return { ok: false, reason };
  // 2.
  const spelled = spellCharacters(raw);
  // 3.
  const path = resolveSegments(spelled);
  if (hasDotSegment(path)) return { ok: false, reason: 'The path hides a dot segment' };
  return { ok: true, path };
}

/**
 * Spells each character in one way: unreserved ones plain, all others that RFC 3986 does not allow raw as upper-case
 * percent forms. Reserved characters stay as sent, since `,` and `%2C` are different paths (RFC 3986 §2.2).
 */
export function spellCharacters(raw: string): string {
  return raw.replace(ENCODED, spellEncoded).replace(LEFT_RAW, encodeURIComponent);
}

/** Tells whether some server may find a `.` or `..` segment in `path`. */
export function hasDotSegment(path: string): boolean {
  return HIDDEN_DOT_SEGMENT.test(path);
}

function findFault(raw: string, allow: EncodedAllowances): string | undefined {
  if (FORBIDDEN_RAW.test(raw)) return 'The path holds a character that must be percent-encoded';
  if (BROKEN_PERCENT.test(raw)) return 'The path holds a "%" without two hexadecimal digits';
  if (!allow.slash && SLASH.test(raw)) return 'The path holds an encoded slash';
  if (!allow.backslash && BACKSLASH.test(raw)) return 'The path holds a backslash';
  if (!allow.semicolon && SEMICOLON.test(raw)) return 'The path holds a semicolon';
  if (!allow.nul && NUL.test(raw)) return 'The path holds a NUL';
  if (!isUtf8(raw)) return 'The path is not valid UTF-8';
  return undefined;
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
  return UNRESERVED.test(character) ? character : encoded.toUpperCase();
}

/** Merges first and resolves then, as nginx and file systems do: `/a//../b` is `/b`. */
function resolveSegments(path: string): string {
  const kept: string[] = [];
  let endsOpen = false;
  for (const segment of path.split('/')) {
    endsOpen = segment === '' || segment === '.' || segment === '..';
    if (segment === '..') kept.pop();
    else if (!endsOpen) kept.push(segment);
  }
  const joined = `/${kept.join('/')}`;
  return endsOpen && kept.length > 0 ? `${joined}/` : joined;
}
