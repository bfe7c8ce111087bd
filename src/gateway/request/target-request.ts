import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import { changeHeaders } from '../../core/fields/header-changes.ts';
import type { TargetRequest } from '../../core/message.ts';
import { writeForwardedPrefix, writeForwardHeaders } from '../../proxy/forward-headers.ts';
import { writeIdentityHeaders } from '../../proxy/identity-headers.ts';
import type { ForwardAction, SplitDestination } from '../../snapshot/route.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';

/** Puts a token of ours in the place of the caller's, or says why that cannot be. */
export function exchangeToken(
  exchange: Exchange,
  snapshot: Snapshot,
  audience: string,
): Promise<GatewayError | undefined> | GatewayError | undefined {
  if (exchange.identity === undefined || snapshot.internalTokens === undefined)
    return new GatewayError('GW_INTERNAL', { cause: 'there is no caller, or no key, to make a token of' });
  const written = snapshot.internalTokens.writeTo(exchange, exchange.identity, audience);
  return written?.then(
    () => undefined,
    (cause: unknown) => new GatewayError('GW_INTERNAL', { cause }),
  );
}

/** Makes of the client's headers those that the target gets. */
export function writeTargetHeaders(
  exchange: Exchange,
  snapshot: Snapshot,
  { prefix }: ForwardAction,
  part: SplitDestination | undefined,
): void {
  if (part?.request !== undefined) changeHeaders(exchange.headers, part.request);
  writeForwardHeaders(exchange, snapshot);
  if (prefix !== undefined) writeForwardedPrefix(exchange, prefix);
  writeIdentityHeaders(exchange);
}

/** Makes of an exchange, whose path at the upstream is known, what its target gets. */
export function makeTargetRequest(
  exchange: Exchange,
  host: string,
  responseTimeoutMs: number,
): TargetRequest {
  const { request } = exchange;
  return {
    method: request.method,
    path: exchange.upstreamPath,
    host,
    headers: exchange.headers,
    body: exchange.body,
    upgrade: request.upgrade,
    acceptsTrailers: request.acceptsTrailers,
    responseTimeoutMs,
    // On the connection of a proxy, everybody comes.
    login: exchange.isTrustedPeer ? undefined : request.client,
  };
}
