import { FieldKind, fieldKindOf } from '../field-kind.ts';

const FRAMING =
  'frames the message or belongs to one connection, so the gateway writes it — leave this line out';
const FORWARDING =
  'tells where a request came from, so the gateway writes it — see trustedProxies, and leave this line out';

/** Why the gateway alone writes a field, by kind. */
const OWNED: ReadonlyMap<number, string> = new Map([
  ...[
    FieldKind.contentLength,
    FieldKind.transferEncoding,
    FieldKind.connection,
    FieldKind.keepAlive,
    FieldKind.proxyConnection,
    FieldKind.te,
    FieldKind.trailer,
    FieldKind.upgrade,
    FieldKind.expect,
    FieldKind.http2Settings,
  ].map((kind) => [kind, FRAMING] as const),
  ...[
    FieldKind.xForwardedFor,
    FieldKind.xForwardedProto,
    FieldKind.xForwardedHost,
    FieldKind.xForwardedPort,
    FieldKind.forwarded,
    FieldKind.via,
  ].map((kind) => [kind, FORWARDING] as const),
  [FieldKind.host, "is the route's to choose — use hostHeader: preserve, target or a name"],
  [FieldKind.xAuth, 'says who the caller is, which only the gateway may — choose a name without x-auth-'],
]);

/** Says why a policy may not touch the field called `name`, with the remedy behind ' — ', or nothing if it may. */
export function findOwnedField(name: string): string | undefined {
  return OWNED.get(fieldKindOf(name));
}
