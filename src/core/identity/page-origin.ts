import type { Exchange } from '../exchange.ts';
import { FieldKind } from '../field-kind.ts';

/** Methods that change nothing (RFC 9110 §9.2.1, and QUERY of RFC 10008). */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY']);
const DEFAULT_PORTS = { http: ':80', https: ':443' } as const;

/** Tells whether a request may do more than read: then a page must not send it with what its browser adds by itself. */
export function isUnsafe({ request }: Exchange): boolean {
  return request.upgrade !== undefined || !SAFE.has(request.method);
}

/**
 * Tells whether a page of another origin sends this, as browsers say it: by `Sec-Fetch-Site`, which no page can write, or
 * by `Origin` where that is missing. Other clients than browsers send neither.
 */
export function isOfOtherOrigin(exchange: Exchange): boolean {
  const { headers } = exchange;
  const site = headers.get('sec-fetch-site');
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  const origin = headers.getKind(FieldKind.origin);
  return origin !== undefined && !isOwnOrigin(origin, exchange);
}

/** The name under which the client knows us. Where TLS ends before us without a word, `https` is ours as well. */
function isOwnOrigin(origin: string, { scheme, publicAuthority }: Exchange): boolean {
  const [, theirs, authority = ''] = /^(https?):\/\/([^/]*)$/.exec(origin) ?? [];
  if (theirs !== 'http' && theirs !== 'https') return false;
  if (theirs === 'http' && scheme === 'https') return false;
  return withoutPort(authority, theirs) === withoutPort(publicAuthority.toLowerCase(), theirs);
}

function withoutPort(authority: string, scheme: 'http' | 'https'): string {
  const port = DEFAULT_PORTS[scheme];
  return authority.endsWith(port) ? authority.slice(0, -port.length) : authority;
}
