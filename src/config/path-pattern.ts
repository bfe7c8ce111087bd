/** One segment of a route's path, as `parsePathPattern` reads it. */
export type PatternSegment =
  | { readonly kind: 'static'; readonly text: string }
  | { readonly kind: 'param'; readonly name: string }
  | { readonly kind: 'rest' };

const PARAM_NAME = /^[A-Za-z_][A-Za-z0-9_-]*$/;
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
        : { kind: 'static', text: spellSegment(text) };
    });
}

/** Says what is wrong with a route's path, with the remedy behind ' — ', or nothing. */
export function findPatternFault(path: string): string | undefined {
  if (!path.startsWith('/')) return "does not begin with '/' — put a / in front";
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
  if (segment === '')
    return isLast ? undefined : "holds '//' — write one slash; requests are normalised so too";
  if (segment === '.' || segment === '..') return 'holds a dot segment — write the path it leads to';
  if (segment.startsWith(':')) {
    if (PARAM_NAME.test(segment.slice(1))) return undefined;
    return 'has a parameter with a bad name — use letters, digits and underscores, such as :orderId';
  }
  if (segment.includes('*')) {
    if (segment !== '*') return "has '*' inside a segment — let it stand alone behind the last /";
    return isLast
      ? undefined
      : "has '*' before its end — only the last segment can be *; use :name for one segment";
  }
  if (/[?#]/.test(segment)) return "holds '?' or '#' — match the query with `query: { name: value }`";
  if (/[{}]/.test(segment)) return 'holds braces — write parameters as :name';
  if (NEVER_IN_PATHS.test(segment)) return 'holds a character that no path has — percent-encode it';
  if (/%(?![0-9A-Fa-f]{2})/.test(segment)) return "holds a broken percent-encoding — write '%' as %25";
  return undefined;
}

/** Gives plain text and every percent-encoding of it one spelling, so that equal segments are equal texts. */
function spellSegment(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\x21-\x7e]+/g, encodeURIComponent)
    .replace(/%[0-9A-Fa-f]{2}/g, (pair) => {
      const character = String.fromCharCode(Number.parseInt(pair.slice(1), 16));
      return /[A-Za-z0-9\-._~]/.test(character) ? character : pair.toUpperCase();
    });
}
