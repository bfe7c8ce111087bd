import type { HeaderList } from '../core/header-list.ts';

/** Methods that change nothing, so that they invalidate nothing (RFC 9110 §9.2.1, RFC 10008 for QUERY). */
const SAFE: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'QUERY',
  'PROPFIND',
  'REPORT',
  'SEARCH',
]);

/** Tells whether a method changes nothing. What is not known may change anything. */
export function isSafeMethod(method: string): boolean {
  return SAFE.has(method);
}

/**
 * Lists what a response makes invalid (RFC 9111 §4.4): paths with their query of the same origin, the request's own
 * first; none where the method is safe or the answer is an error. `origin` is scheme and authority as the client wrote
 * them, in lower case.
 */
export function invalidatedBy(
  method: string,
  target: string,
  origin: string,
  response: { readonly status: number; readonly headers: HeaderList },
): readonly string[] {
  if (SAFE.has(method) || response.status < 200 || response.status >= 400) return [];
  const targets = new Set([target]);
  for (const field of ['location', 'content-location']) {
    const written = response.headers.get(field);
    const url = written === undefined ? null : URL.parse(written, `${origin}${target}`);
    if (url !== null && url.origin === originOf(origin)) targets.add(`${url.pathname}${url.search}`);
  }
  return [...targets];
}

function originOf(origin: string): string | undefined {
  return URL.parse(origin)?.origin;
}
