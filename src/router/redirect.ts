import { isIPv6 } from 'node:net';
import { compileRewrite } from './path-template.ts';

/** Where a route redirects to; whatever is left out stays as the client asked. */
export interface RedirectRule {
  readonly scheme?: 'http' | 'https' | undefined;
  /** A name or address without port. */
  readonly host?: string | undefined;
  /** Left out: the port that the client used, or the scheme's own if the scheme changes. */
  readonly port?: number | undefined;
  /** A template such as `/orders/{params.*}`. */
  readonly path?: string | undefined;
}

/** What a redirect needs to know of a request; an `Exchange` has it. */
export interface RedirectSource {
  readonly scheme: 'http' | 'https';
  /** Host and port under which the client knows us. */
  readonly publicAuthority: string;
  readonly path: string;
  /** The query with its `?`. */
  readonly search: string;
}

/** Gives the value for `Location`, or `undefined` where the request leaves no valid one: answer 400. */
export type Redirect = (source: RedirectSource, rawParams: readonly string[]) => string | undefined;

const AUTHORITY = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]/\\@?#\s]+)(?::(\d{1,5})?)?$/;
const DEFAULT_PORTS = { http: 80, https: 443 } as const;

/**
 * Compiles a redirect. `Location` is always absolute, so that no value of a parameter can become a host; the query
 * is kept. Throws `TypeError` for a host or path that cannot be.
 */
export function compileRedirect(rule: RedirectRule, paramNames: readonly string[]): Redirect {
  const host = rule.host === undefined ? undefined : compileHost(rule.host);
  const template = rule.path === undefined ? undefined : compileRewrite(rule.path, paramNames);
  return (source, rawParams) => {
    const scheme = rule.scheme ?? source.scheme;
    const known = AUTHORITY.exec(source.publicAuthority);
    const name = host ?? known?.[1];
    const path = template ? template(rawParams) : source.path;
    if (name === undefined || path === undefined) return undefined;
    const keptPort = scheme === source.scheme ? known?.[2] : undefined;
    const port = Number(rule.port ?? keptPort ?? DEFAULT_PORTS[scheme]);
    const authority = port === DEFAULT_PORTS[scheme] ? name : `${name}:${port}`;
    return `${scheme}://${authority}${path}${source.search}`;
  };
}

function compileHost(host: string): string {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if (isIPv6(bare)) return `[${bare}]`;
  if (AUTHORITY.exec(host)?.[1] === host && !host.startsWith('[')) return host;
  throw new TypeError(`redirect host '${host}': write a name or address without port`);
}
