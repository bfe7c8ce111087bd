/** One segment of a route's path, as `parsePathPattern` reads it. */
export type PatternSegment =
  | { readonly kind: 'static'; readonly text: string }
  | { readonly kind: 'param'; readonly name: string }
  | { readonly kind: 'rest' };

const PARAM_NAME = /^[A-Za-z_][A-Za-z0-9_-]*$/;
// Servers that decode `%2F`, read `\\` as `/` or cut at `;` would see `.` or `..` here.
const HIDDEN_DOT_SEGMENT = /(?:^|\/|%2F|%5C)\.{1,2}(?:$|\/|;|%2F|%5C|%3B|%00)/;
const NEVER_IN_PATHS = /[\x00-\x1f\x7f"<>]/;

/** Reads a route's path, which `findPatternFault` has found good, into its segments. */
export function parsePathPattern(path: string): PatternSegment[] {
  return path
    .slice(1)
    .split('/')
    .map((text) => {
      if (text === '*') return { kind: 'rest' };
      return text.startsWith(':')
        ? { kind: 'param', name: text.slice(1) }
        : { kind: 'static', text: spell(text) };
    });
}

/** Says what is wrong with a route's path, with the remedy behind ' — ', or nothing. */
export function findPatternFault(path: string): string | undefined {
  const fault = findSpellingFault(path);
  if (fault !== undefined) return fault;
  const segments = path.slice(1).split('/');
  const names = new Set<string>();
  for (const [i, segment] of segments.entries()) {
    const isLast = i === segments.length - 1;
    const fault = findSegmentFault(segment, isLast);
    if (fault !== undefined) return fault;
    if (!segment.startsWith(':')) continue;
    const name = segment.slice(1);
    if (names.has(name)) return `has two parameters with the same name — rename the second ':${name}'`;
    names.add(name);
  }
  return undefined;
}

/** Names the parameters of a route's path; `*` for what a last `*` matches. */
export function paramNames(path: string): string[] {
  return parsePathPattern(path).flatMap((segment) => {
    if (segment.kind === 'param') return [segment.name];
    return segment.kind === 'rest' ? ['*'] : [];
  });
}

function findSegmentFault(segment: string, isLast: boolean): string | undefined {
  if (segment.startsWith(':')) {
    if (PARAM_NAME.test(segment.slice(1)) && segment !== ':__proto__') return undefined;
    return 'has a parameter with a bad name — use letters, digits and underscores, such as :orderId';
  }
  if (!segment.includes('*')) return undefined;
  if (segment !== '*') return "has '*' inside a segment — let it stand alone behind the last /";
  if (isLast) return undefined;
  return "has '*' before its end — only the last segment can be *; use :name for one segment";
}

/** Says why a path from a configuration is none that a normalised request can have, or nothing. */
export function findSpellingFault(path: string): string | undefined {
  if (/^(?:~|\^)/.test(path))
    return 'looks like a regular expression, which paths are not — begin with /, and write :name for a segment';
  if (!path.startsWith('/')) return "does not begin with '/' — put a / in front";
  if (looksLikeRegex(path))
    return 'looks like a regular expression, which paths are not — write :name for a segment, a last * for the rest, or percent-encode what is meant literally';
  if (/[?#]/.test(path)) return "holds '?' or '#' — write the path alone, without a query";
  if (/[{}]/.test(path)) return 'holds braces — write parameters as :name, and %7B for a brace';
  if (path.includes('//')) return "holds '//' — write one slash; requests are normalised so too";
  if (NEVER_IN_PATHS.test(path)) return 'holds a character that no path has — percent-encode it';
  if (!isDecodable(path))
    return "holds '%' without two digits, or bytes that are not UTF-8 — write '%' as %25";
  if (HIDDEN_DOT_SEGMENT.test(spell(path))) return 'holds a dot segment — write the path it leads to';
  return undefined;
}

/** Signs that no path needs, and that mean something to a regular expression: `/orders/[0-9]+$`, `/v(1|2)/`, `/.*`. */
function looksLikeRegex(path: string): boolean {
  return /[[\]\\^|]|\.[*+]|\$$|\([^)]*\)[?*+]|\(\?/.test(path);
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

/** Gives plain text and every percent-encoding of it one spelling, so that equal segments are equal texts. */
function spell(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\x21-\x7e]+/g, encodeURIComponent)
    .replace(/[[\]\\^`{|}]/g, encodeURIComponent)
    .replace(/%[0-9A-Fa-f]{2}/g, (pair) => {
      const character = String.fromCharCode(Number.parseInt(pair.slice(1), 16));
      return /[A-Za-z0-9\-._~!$&'()*+,=:@]/.test(character) ? character : pair.toUpperCase();
    });
}
