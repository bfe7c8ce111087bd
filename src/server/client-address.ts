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
  /** Host name that the client used, in lower case, without port; of proxies that write it. */
  readonly host: string | undefined;
  /** Port that the client used; of proxies that write it. */
  readonly port: number | undefined;
}

/** Which peers are proxies in front, and what they write. */
export interface TrustedProxies {
  /** Addresses and CIDR blocks. */
  readonly addresses: readonly string[];
  /**
   * The fields that they set themselves on every request, in lower case. What they only pass on is their client's, so
   * no other is believed.
   */
  readonly writes: readonly string[];
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

/** Fields with nothing but the address of the client, which are read where `X-Forwarded-For` is not written. */
const ADDRESS_FIELDS: ReadonlySet<string> = new Set(
  (
    'cf-connecting-ip cf-connecting-ipv6 client-ip do-connecting-ip fastly-client-ip fly-client-ip http-client-ip ' +
    'proxy-client-ip remote-addr true-client-ip wl-proxy-client-ip x-appengine-user-ip x-azure-clientip ' +
    'x-azure-socketip x-client-ip x-cluster-client-ip x-envoy-external-address x-nf-client-connection-ip ' +
    'x-originating-ip x-real-ip x-remote-addr x-remote-ip'
  ).split(' '),
);

/** Compiles whose word counts about what. `Forwarded` is never read. Throws `TypeError` for what is not a block. */
export function compileTrustedProxies({ addresses, writes }: TrustedProxies): ClientAddressResolver {
  const trusted = new AddressBlocks(addresses);
  const peers = new Map<string, ClientOrigin>();
  const believe = compileBelief(writes, trusted);
  return (remoteAddress, headers) => {
    const peer = peers.get(remoteAddress) ?? rememberPeer(peers, remoteAddress, trusted);
    return peer.isTrusted ? believe(peer, headers) : peer;
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

/** Gives the port of an authority, in digits: its own, else that of the scheme. */
export function portOf(authority: string, scheme: 'http' | 'https'): string {
  return /:(\d+)$/.exec(authority)?.[1] ?? (scheme === 'https' ? '443' : '80');
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
 * Compiles what is read of the nearest proxy's word. Of several values the last is taken: a proxy appends to what its
 * client sent. Names are compared exactly, since `X_Forwarded_For` is the client's own.
 */
function compileBelief(
  writes: readonly string[],
  trusted: AddressBlocks,
): (peer: ClientOrigin, headers: HeaderList) => ClientOrigin {
  const read = (name: string) =>
    writes.includes(name) ? (headers: HeaderList) => lastValue(headers.get(name)) : () => '';
  const [proto, forwardedHost, forwardedPort] = ['proto', 'host', 'port'].map((n) =>
    read(`x-forwarded-${n}`),
  );
  const findAddress = compileAddress(writes, trusted);
  return (peer, headers) => {
    const host = HOST.exec((forwardedHost as Reader)(headers).toLowerCase());
    return {
      address: findAddress(peer.address, headers),
      isTrusted: true,
      scheme: schemeOf((proto as Reader)(headers)),
      host: host?.[1],
      port: parsePort((forwardedPort as Reader)(headers)) ?? parsePort(host?.[2]),
    };
  };
}

type Reader = (headers: HeaderList) => string;

function compileAddress(
  writes: readonly string[],
  trusted: AddressBlocks,
): (peer: string, headers: HeaderList) => string {
  if (writes.includes('x-forwarded-for')) {
    return (peer, headers) => {
      const forwardedFor = headers.get('x-forwarded-for');
      return forwardedFor === undefined ? peer : walkHops(peer, forwardedFor, trusted);
    };
  }
  const name = writes.find((field) => ADDRESS_FIELDS.has(field));
  if (name === undefined) return (peer) => peer;
  return (peer, headers) => parseHop(headers.get(name) ?? '') ?? peer;
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
