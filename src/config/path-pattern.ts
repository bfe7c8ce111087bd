/** One segment of a route's path, as `parsePathPattern` reads it. */
export type PatternSegment =
  | { readonly kind: 'static'; readonly text: string }
  | { readonly kind: 'param'; readonly name: string }
  | { readonly kind: 'rest' };

const PARAM_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
// RFC 3986 §3.3: pchar, apart from '%', which is judged on its own, and ';', which no path holds by default.
const PATH_CHARS = /^[A-Za-z0-9\-._~!$&'()+,;=:@%]*$/;

/** Reads a route's path, which `findPatternFault` has found good, into its segments. */
export function parsePathPattern(path: string): PatternSegment[] {
  return path
    .slice(1)
    .split('/')
    .map((text) => {
      if (text === '*') return { kind: 'rest' };
      return text.startsWith(':') ? { kind: 'param', name: text.slice(1) } : { kind: 'static', text };
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
  if (!PATH_CHARS.test(segment))
    return `holds a character that no path has — write it as ${encodeURI(segment)}`;
  return findEncodingFault(segment);
}

/** Requests are matched in one normalised spelling, so a pattern in another spelling would never match. */
function findEncodingFault(segment: string): string | undefined {
  for (const [, pair = ''] of segment.matchAll(/%(.{0,2})/g)) {
    if (!/^[0-9A-Fa-f]{2}$/.test(pair)) return "holds a broken percent-encoding — write '%' as %25";
    const decoded = String.fromCharCode(Number.parseInt(pair, 16));
    if (/[A-Za-z0-9\-._~]/.test(decoded)) return `holds '%${pair}' — write it as ${decoded}`;
    if (pair !== pair.toUpperCase()) return `holds '%${pair}' — write it in capitals: %${pair.toUpperCase()}`;
  }
  return undefined;
}
