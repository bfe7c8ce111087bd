import type { Exchange } from '../core/exchange.ts';
import type { HeaderList } from '../core/header-list.ts';

/**
 * Puts the prefix that was taken off the path back into what the answer says about paths: `Location`, `Content-Location`
 * and `Path` of cookies. What bears it already stays, as do other hosts and relative references.
 */
export function restorePrefix(headers: HeaderList, prefix: string, exchange: Exchange): void {
  for (const name of ['location', 'content-location']) {
    rewrite(headers, name, (value) => restoreReference(value, prefix, exchange));
  }
  rewrite(headers, 'set-cookie', (value) => restoreCookie(value, prefix));
}

function rewrite(headers: HeaderList, name: string, change: (value: string) => string): void {
  const values = headers.getAll(name);
  if (values.every((value) => change(value) === value)) return;
  headers.delete(name);
  for (const value of values) headers.append(name, change(value));
}

/** Makes a reference (RFC 3986 §4.1) right for the client, who knows the service by our host and below the prefix. */
function restoreReference(reference: string, prefix: string, exchange: Exchange): string {
  const [, scheme = '', authority, rest = ''] =
    /^([A-Za-z][A-Za-z0-9+.-]*:)?\/\/([^/?#]*)(.*)$/.exec(reference) ?? [];
  if (authority === undefined) return reference.startsWith('/') ? withPrefix(reference, prefix) : reference;
  const { publicAuthority, target, upstreamHost } = exchange;
  const named = authority.toLowerCase();
  if (named === publicAuthority.toLowerCase()) return `${scheme}//${authority}${withPrefix(rest, prefix)}`;
  if (named !== target.toLowerCase() && named !== upstreamHost.toLowerCase()) return reference;
  return `${exchange.scheme}://${publicAuthority}${withPrefix(rest, prefix)}`;
}

/** A cookie whose name begins with `__Host-` is only taken with `Path=/` (RFC 6265bis §4.1.3.2). */
function restoreCookie(cookie: string, prefix: string): string {
  if (/^\s*__host-/i.test(cookie)) return cookie;
  return cookie.replace(/(;\s*path\s*=\s*)(\/[^;]*)/i, (_, name: string, path: string) => {
    const trimmed = path.trimEnd();
    return `${name}${trimmed === '/' ? prefix : withPrefix(trimmed, prefix)}`;
  });
}

function withPrefix(path: string, prefix: string): string {
  const has = path.startsWith(prefix) && /^(?:$|[/?#])/.test(path.slice(prefix.length));
  return has ? path : prefix + path;
}
