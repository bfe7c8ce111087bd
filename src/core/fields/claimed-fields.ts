import { FieldKind, fieldKindAt, fieldKindOf } from '../field-kind.ts';
import type { HeaderList } from '../header-list.ts';

/** Drops what a request says of itself that nobody may say, or not the peer that sent it. */
export type ClaimFilter = (headers: HeaderList, isTrustedPeer: boolean) => void;

/** The kinds whose fields come only from proxies that are configured to write them, field by field. */
const NAMED_ONE_BY_ONE: readonly number[] = [
  FieldKind.proxyClaim,
  FieldKind.clientCertificate,
  FieldKind.override,
];

/** The kinds that a proxy in front writes. */
const CLAIMS: readonly number[] = [
  FieldKind.xForwardedFor,
  FieldKind.xForwardedProto,
  FieldKind.xForwardedHost,
  FieldKind.xForwardedPort,
  FieldKind.forwarded,
  ...NAMED_ONE_BY_ONE,
];

/** Dropped only where they differ from what holds, since they may say the same as `Host`. */
const COMPARED = (1 << FieldKind.xForwardedHost) | (1 << FieldKind.xForwardedPort);

/** Tells whether `name` is a field that a proxy in front may be configured to write. */
export function isClaimedField(name: string): boolean {
  return CLAIMS.includes(fieldKindOf(name));
}

/** Tells whether `name` is a field that has services take another method, path or host than those of the request. */
export function isOverrideField(name: string): boolean {
  return fieldKindOf(name) === FieldKind.override;
}

/**
 * Compiles what is let through: from trusted peers the fields that they are configured to write, from everybody
 * `allowOverrides`. Names in lower case. Run before routing, so that neither routes nor policies see what is not sent.
 */
export function compileClaimFilter(
  writes: readonly string[],
  allowOverrides: readonly string[],
): ClaimFilter {
  const fromAnybody = compileDropping(allowOverrides);
  const fromTrusted = compileDropping([...writes, ...allowOverrides], COMPARED);
  return (headers, isTrustedPeer) => (isTrustedPeer ? fromTrusted : fromAnybody)(headers);
}

function compileDropping(allowed: readonly string[], compared = 0): (headers: HeaderList) => void {
  const names = new Set(allowed);
  const allowedKinds = new Set(allowed.map(fieldKindOf));
  const bitsOf = (kinds: readonly number[]) => kinds.reduce((bits, kind) => bits | (1 << kind), 0);
  const dropped = bitsOf([FieldKind.xAuth, ...CLAIMS.filter((kind) => !allowedKinds.has(kind))]) & ~compared;
  const looked = bitsOf(NAMED_ONE_BY_ONE.filter((kind) => allowedKinds.has(kind)));
  const others = {
    hasAt(text: string, start: number, end: number): boolean {
      const isLookedAt = (looked & (1 << fieldKindAt(text, start, end)) & ~1) !== 0;
      return isLookedAt && !names.has(text.slice(start, end).toLowerCase());
    },
  };
  return (headers) => {
    headers.deleteKinds(dropped);
    if (looked !== 0 && headers.mayHaveKinds(looked)) headers.deleteAll(others);
  };
}
