import type { Exchange } from '../core/exchange.ts';
import { FieldKind } from '../core/field-kind.ts';
import { HeaderBlock } from '../core/fields/header-block.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { ClientInfo } from '../core/message.ts';

/** Framing and `Host` are written by who sends the request; what proxies say is written here. */
const REPLACED =
  (1 << FieldKind.host) |
  (1 << FieldKind.contentLength) |
  (1 << FieldKind.xForwardedFor) |
  (1 << FieldKind.xForwardedProto) |
  (1 << FieldKind.xForwardedHost);

/** What no client may say, and no policy in its place. */
const CLAIMED = (1 << FieldKind.xForwardedPort) | (1 << FieldKind.forwarded);

/** Our name in `Via` (RFC 9110 §7.6.3). */
const PSEUDONYM = 'sallyport';

export interface ForwardHeaderOptions {
  /** Also tell in `Forwarded` (RFC 7239). */
  readonly forwarded: boolean;
}

/**
 * Makes the request's header fit for a target: tells who asks and how (`X-Forwarded-*`, `Via`). What clients said about
 * that was dropped before routing.
 */
export function writeForwardHeaders(exchange: Exchange, options: ForwardHeaderOptions): void {
  const { headers, request } = exchange;
  const earlier = exchange.isTrustedPeer ? headers.getKind(FieldKind.xForwardedFor) : undefined;
  headers.deleteKinds(exchange.isTrustedPeer ? REPLACED : REPLACED | CLAIMED);
  const { remoteAddress } = request.client;
  // A proxy may have named the client in another field than this.
  const before = earlier ?? (exchange.clientAddress === remoteAddress ? undefined : exchange.clientAddress);
  if (before === undefined) headers.appendBlock(ownBlock(exchange));
  else headers.appendBlock(new HeaderBlock(ownFields(exchange, `${before}, ${remoteAddress}`)));
  if (options.forwarded) headers.appendTrusted('forwarded', forwardedElement(exchange));
}

/**
 * Says what was taken off the path, behind what a proxy took off before that is believed about it. `prefix` is as
 * configured; told is how the client has written it.
 */
export function writeForwardedPrefix({ headers, path }: Exchange, prefix: string): void {
  const earlier = headers.get('x-forwarded-prefix') ?? '';
  headers.delete('x-forwarded-prefix');
  headers.append('x-forwarded-prefix', earlier.replace(/\/$/, '') + path.slice(0, prefix.length));
}

/** Adds us to the response's `Via`. */
export function writeResponseVia(headers: HeaderList): void {
  headers.appendBlock(RESPONSE_VIA);
}

const RESPONSE_VIA = new HeaderBlock(['via', `1.1 ${PSEUDONYM}`]);

interface ConnectionBlock {
  readonly scheme: string;
  readonly authority: string;
  readonly httpVersion: string;
  readonly block: HeaderBlock;
}

/** What is said of a client is the same for all requests of its connection, most of the time. */
const lastBlocks = new WeakMap<ClientInfo, ConnectionBlock>();

function ownBlock(exchange: Exchange): HeaderBlock {
  const { scheme, publicAuthority: authority } = exchange;
  const { client, httpVersion } = exchange.request;
  const last = lastBlocks.get(client);
  if (last?.authority === authority && last.scheme === scheme && last.httpVersion === httpVersion)
    return last.block;
  const block = new HeaderBlock(ownFields(exchange, client.remoteAddress));
  lastBlocks.set(client, { scheme, authority, httpVersion, block });
  return block;
}

function ownFields(exchange: Exchange, forwardedFor: string): string[] {
  const fields = ['x-forwarded-for', forwardedFor, 'x-forwarded-proto', exchange.scheme];
  if (exchange.publicAuthority !== '') fields.push('x-forwarded-host', exchange.publicAuthority);
  fields.push('via', `${exchange.request.httpVersion} ${PSEUDONYM}`);
  return fields;
}

function forwardedElement(exchange: Exchange): string {
  const peer = exchange.request.client.remoteAddress;
  const node = peer.includes(':') ? `"[${peer}]"` : peer;
  const host = exchange.publicAuthority === '' ? '' : `;host="${exchange.publicAuthority}"`;
  return `for=${node}${host};proto=${exchange.scheme}`;
}
