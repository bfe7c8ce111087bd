import { GatewayError } from '../core/errors.ts';
import type { Reply } from '../core/message.ts';

/** What the redirect needs to know of a request; an `Exchange` has it. */
export interface RedirectFacts {
  /** What the client used towards us, or towards the first trusted proxy in front of us. */
  readonly scheme: 'http' | 'https';
  /** Host and port under which the client knows us, as `Host` or a trusted proxy says it. */
  readonly publicAuthority: string;
  readonly path: string;
  /** The query with its `?`. */
  readonly search: string;
}

/** Certificate authorities fetch these over plain HTTP (RFC 8555 §8.3). */
const ACME_CHALLENGES = '/.well-known/acme-challenge/';
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9_~.-]+)(?::\d{0,5})?$/i;

/**
 * Answers a request on a listener with `redirectToHttps: port`: 308 to the same host, path and query.
 * Returns `undefined` for what is not redirected, and a failure where no valid `Host` says where to.
 */
export function redirectToHttps(facts: RedirectFacts, port: number): Reply | GatewayError | undefined {
  if (facts.scheme === 'https' || facts.path.startsWith(ACME_CHALLENGES)) return undefined;
  const host = HOST.exec(facts.publicAuthority)?.[1];
  if (host === undefined) return new GatewayError('GW_BAD_HOST');
  const authority = port === 443 ? host : `${host}:${port}`;
  // `OPTIONS *` asks about the server as a whole and has no path.
  const path = facts.path === '*' ? '' : facts.path;
  return { status: 308, headers: { location: `https://${authority}${path}${facts.search}` } };
}
