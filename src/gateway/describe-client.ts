import type { Exchange } from '../core/exchange.ts';
import { FieldKind } from '../core/field-kind.ts';
import { hostNameOf } from '../router/host-name.ts';
import { publicAuthorityOf } from '../server/client-address.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';

/** What only a proxy in front may say. Dropped before policies, which may write a field of the name themselves. */
const CLAIMED = (1 << FieldKind.clientCertificate) | (1 << FieldKind.xRealIp) | (1 << FieldKind.override);

/** Says of an exchange who asks and how, and drops what only the gateway, or a trusted proxy, may say about that. */
export function describeClient(exchange: Exchange, snapshot: Snapshot): void {
  const { request, headers } = exchange;
  headers.deleteKind(FieldKind.xAuth);
  const origin = snapshot.findOrigin(request.client.remoteAddress, headers);
  exchange.clientAddress = origin.address;
  exchange.isTrustedPeer = origin.isTrusted;
  if (!origin.isTrusted) headers.deleteKinds(CLAIMED);
  exchange.scheme = origin.scheme ?? (request.client.isSecure ? 'https' : 'http');
  exchange.host = hostNameOf(request.authority);
  exchange.publicAuthority = publicAuthorityOf(origin, exchange.scheme, request.authority);
}
