import { isIP, isIPv6 } from 'node:net';
import { AddressBlocks, plainAddress } from '../core/address-blocks.ts';
import type { HeaderList } from '../core/header-list.ts';

/** Where a request comes from, with what trusted proxies say about it. What they do not say is `undefined`. */
export interface ClientOrigin {
  /** Of the client, else of the farthest hop that is known for sure. IPv4-mapped addresses are written as IPv4. */
  readonly address: string;
  /** Whether the peer is a trusted proxy, so that its other statements, such as `X-Request-Id`, count too. */
  readonly isTrusted: boolean;
  readonly scheme: 'http' | 'https' | undefined;
  /** Host name that the client used, in lower case, without port. */
  readonly host: string | undefined;
  /** Port that the client used. */
  readonly port: number | undefined;
}

/** Tells the origin of a request from the address of its peer and its header. */
export type ClientAddressResolver = (remoteAddress: string, headers: HeaderList) => ClientOrigin;

const MAX_CACHED_PEERS = 1024;
const WITH_PORT = /^(?:\[([^[\]]+)\]|(\d+\.\d+\.\d+\.\d+))(?::\d{1,5})?$/;
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?\.?)(?::(\d{1,5}))?$/;
const SCHEMES: Readonly<Record<string, 'http' | 'https'>> = {
  http: 'http',
  https: 'https',
  ws: 'http',
  wss: 'https',
};

/**
 * Compiles the proxies whose `X-Forwarded-*` is believed, as addresses and CIDR blocks. `Forwarded` is never read:
 * a proxy that writes only `X-Forwarded-*` passes on whatever `Forwarded` its client sent.
 * Throws `TypeError` for what is no block.
 */
export function compileTrustedProxies(cidrs: readonly string[]): ClientAddressResolver {
  const trusted = new AddressBlocks(cidrs);
  const peers = new Map<string, ClientOrigin>();
  return (remoteAddress, headers) => {
    const peer = peers.get(remoteAddress) ?? rememberPeer(peers, remoteAddress, trusted);
    return peer.isTrusted ? believeProxy(peer, headers, trusted) : peer;
  };
}

/**
 * Joins what proxies and the request say to the authority under which the client knows us.
 * `authority` is the request's own and stays where proxies say nothing.
 */
export function publicAuthorityOf(origin: ClientOrigin, scheme: 'http' | 'https', authority: string): string {
  if (origin.host === undefined && origin.port === undefined) return authority;
  const own = HOST.exec(authority.toLowerCase());
  const host = origin.host ?? own?.[1];
  if (host === undefined) return authority;
  const port = origin.port ?? (origin.host === undefined ? own?.[2] : undefined);
  const isDefault = port === undefined || Number(port) === (scheme === 'https' ? 443 : 80);
  return isDefault ? host : `${host}:${port}`;
}

/** Peers are few and come again with each request, so what is known of one is kept, up to a bound. */
function rememberPeer(
  peers: Map<string, ClientOrigin>,
  remoteAddress: string,
  trusted: AddressBlocks,
): ClientOrigin {
  const address = plainAddress(remoteAddress);
  const peer: ClientOrigin = {
    address,
    isTrusted: trusted.has(address),
    scheme: undefined,
    host: undefined,
    port: undefined,
  };
  if (peers.size >= MAX_CACHED_PEERS) peers.clear();
  peers.set(remoteAddress, peer);
  return peer;
}

/**
 * Reads what the nearest proxy says. Of several values the last is taken: a proxy appends to what its client sent.
 * Names are compared exactly, since `X_Forwarded_For` is the client's own.
 */
function believeProxy(peer: ClientOrigin, headers: HeaderList, trusted: AddressBlocks): ClientOrigin {
  const forwardedFor = headers.get('x-forwarded-for');
  const host = HOST.exec(lastValue(headers.get('x-forwarded-host')).toLowerCase());
  const port = lastValue(headers.get('x-forwarded-port'));
  return {
    address: forwardedFor === undefined ? peer.address : walkHops(peer.address, forwardedFor, trusted),
    isTrusted: true,
    scheme: schemeOf(lastValue(headers.get('x-forwarded-proto'))),
    host: host?.[1],
    port: parsePort(port) ?? parsePort(host?.[2]),
  };
}

/** Goes from the nearest hop outwards to the first that is not trusted. What is no address ends the walk before it. */
function walkHops(peer: string, forwardedFor: string, trusted: AddressBlocks): string {
  let address = peer;
  const hops = forwardedFor.split(',');
  for (let i = hops.length - 1; i >= 0; i--) {
    const hop = parseHop((hops[i] as string).trim());
    if (hop === undefined) return address;
    address = hop;
    if (!trusted.has(hop)) return address;
  }
  return address;
}

/** Reads `192.0.2.1`, `2001:db8::1`, and both as some proxies write them: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function parseHop(text: string): string | undefined {
  const withPort = WITH_PORT.exec(text);
  const address = withPort?.[1] ?? withPort?.[2] ?? text;
  if (withPort?.[1] !== undefined && !isIPv6(address)) return undefined;
  if (isIP(address) === 0 || address.includes('%')) return undefined;
  return plainAddress(address);
}

function lastValue(value: string | undefined): string {
  return value === undefined ? '' : value.slice(value.lastIndexOf(',') + 1).trim();
}

function schemeOf(value: string): 'http' | 'https' | undefined {
  const scheme = value.toLowerCase();
  return Object.hasOwn(SCHEMES, scheme) ? SCHEMES[scheme] : undefined;
}

function parsePort(value: string | undefined): number | undefined {
  if (value === undefined || !/^\d{1,5}$/.test(value)) return undefined;
  const port = Number(value);
  return port >= 1 && port <= 65_535 ? port : undefined;
}
