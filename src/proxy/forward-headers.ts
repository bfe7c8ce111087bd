import type { Exchange } from '../core/exchange.ts';
import { FieldKind } from '../core/field-kind.ts';

/** Framing and `Host` are written by who sends the request; what proxies say is written here. */
const REPLACED =
  (1 << FieldKind.host) |
  (1 << FieldKind.contentLength) |
  (1 << FieldKind.xForwardedFor) |
  (1 << FieldKind.xForwardedProto) |
  (1 << FieldKind.xForwardedHost);

/** What only a proxy in front may say, dropped unless it is trusted. */
const CLAIMED = (1 << FieldKind.xForwardedPort) | (1 << FieldKind.forwarded) | (1 << FieldKind.xRealIp);

/** Our name in `Via` (RFC 9110 §7.6.3). */
const PSEUDONYM = 'sallyport';

export interface ForwardHeaderOptions {
  /** Also tell in `Forwarded` (RFC 7239). */
  readonly forwarded: boolean;
}

/**
 * Makes the request's header fit for a target: tells who asks and how (`X-Forwarded-*`, `Via`), and drops what the
 * client says about that, unless its peer is a trusted proxy.
 */
export function writeForwardHeaders(exchange: Exchange, options: ForwardHeaderOptions): void {
  const { headers, request } = exchange;
  const peer = request.client.remoteAddress;
  const earlier = exchange.isTrustedPeer ? headers.getKind(FieldKind.xForwardedFor) : undefined;
  headers.deleteKinds(exchange.isTrustedPeer ? REPLACED : REPLACED | CLAIMED);
  headers.appendTrusted('x-forwarded-for', earlier === undefined ? peer : `${earlier}, ${peer}`);
  headers.appendTrusted('x-forwarded-proto', exchange.scheme);
  if (exchange.publicAuthority !== '') headers.appendTrusted('x-forwarded-host', exchange.publicAuthority);
  headers.appendTrusted('via', `${request.httpVersion} ${PSEUDONYM}`);
  if (options.forwarded) headers.appendTrusted('forwarded', forwardedElement(exchange, peer));
}

/** Adds us to the response's `Via`. */
export function writeResponseVia(headers: Exchange['headers']): void {
  headers.appendTrusted('via', `1.1 ${PSEUDONYM}`);
}

function forwardedElement(exchange: Exchange, peer: string): string {
  const node = peer.includes(':') ? `"[${peer}]"` : peer;
  const host = exchange.publicAuthority === '' ? '' : `;host="${exchange.publicAuthority}"`;
  return `for=${node}${host};proto=${exchange.scheme}`;
}
