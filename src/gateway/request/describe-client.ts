import type { Exchange } from '../../core/exchange.ts';
import { FieldKind } from '../../core/field-kind.ts';
import { hostNameOf } from '../../router/host-name.ts';
import { portOf, publicAuthorityOf } from '../../server/client-address.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';

/** What a trusted peer may leave standing that says how the request came. */
const STATED =
  (1 << FieldKind.xForwardedProto) | (1 << FieldKind.xForwardedHost) | (1 << FieldKind.xForwardedPort);

/**
 * Says of an exchange who asks and how, and drops what only the gateway, or a proxy that is configured to write it, may
 * say about that. Runs before routing: routes, policies and logs see what is sent and nothing else.
 */
export function describeClient(exchange: Exchange, snapshot: Snapshot): void {
  const { request, headers } = exchange;
  const origin = snapshot.findOrigin(request.client.remoteAddress, headers);
  snapshot.dropClaims(headers, origin.isTrusted);
  exchange.clientAddress = origin.address;
  exchange.isTrustedPeer = origin.isTrusted;
  exchange.scheme = origin.scheme ?? (request.client.isSecure ? 'https' : 'http');
  exchange.publicAuthority = publicAuthorityOf(origin, exchange.scheme, request.authority);
  exchange.host = hostNameOf(exchange.publicAuthority);
  if (headers.mayHaveKinds(STATED)) settleStated(exchange);
  // Of an absolute-form target the `Host` beside it does not count (RFC 9112 §3.2.2).
  const isOther = exchange.publicAuthority !== request.authority || request.target.charCodeAt(0) !== SLASH;
  if (isOther) settleAuthority(exchange);
}

const SLASH = 0x2f;

/** Has everything that names the host of the request name the same one. */
function settleAuthority({ request, headers, publicAuthority }: Exchange): void {
  (request as { authority: string }).authority = publicAuthority;
  if (publicAuthority !== '') headers.set('host', publicAuthority);
}

/** Has these fields say what holds, which is what will be sent. */
function settleStated({ headers, scheme, publicAuthority }: Exchange): void {
  const proto = headers.getKind(FieldKind.xForwardedProto);
  if (proto !== undefined && proto !== scheme) headers.set('x-forwarded-proto', scheme);
  const host = headers.getKind(FieldKind.xForwardedHost);
  if (host !== undefined && host !== publicAuthority) {
    headers.delete('x-forwarded-host');
    if (publicAuthority !== '') headers.append('x-forwarded-host', publicAuthority);
  }
  const port = headers.getKind(FieldKind.xForwardedPort);
  if (port !== undefined && port !== portOf(publicAuthority, scheme)) headers.delete('x-forwarded-port');
}
