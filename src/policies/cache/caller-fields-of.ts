import { createHash } from 'node:crypto';
import { joinParts } from '../../cache/cache-key.ts';
import { HARMLESS_FIELDS, mayNameCaller } from '../../cache/caller-fields.ts';
import type { Exchange } from '../../core/exchange.ts';
import { FieldKind, fieldKindOf } from '../../core/field-kind.ts';

/** Kinds of fields among which a service may read who is calling. */
const LOOKED_AT =
  (1 << FieldKind.other) |
  (1 << FieldKind.proxyClaim) |
  (1 << FieldKind.clientCertificate) |
  (1 << FieldKind.xAuth) |
  (1 << FieldKind.proxyAuthorization);
const NONE: readonly string[] = [];

/**
 * Lists the headers, in lower case, by which the upstream may know who is calling, but for cookies, `Authorization`, what
 * is in the key, and the one whose credential a policy has understood. Gives the same empty list for most requests.
 */
export function callerFieldsIn(
  { headers, credentialField }: Exchange,
  inKey: ReadonlySet<string>,
): readonly string[] {
  const names = headers.namesBut(HARMLESS_FIELDS, LOOKED_AT);
  if (names.length === 0) return NONE;
  const found = names.filter((name) => name !== credentialField && !inKey.has(name) && isCallers(name));
  return found.length === 0 ? NONE : found;
}

function isCallers(name: string): boolean {
  const kind = fieldKindOf(name);
  return (kind !== FieldKind.other && kind !== FieldKind.proxyClaim) || mayNameCaller(name);
}

/**
 * Writes into the key of a caller whom a policy has identified what the upstream may know of somebody beside: an API key
 * may be that of an application, whose users say who they are in `Authorization` or a cookie. Hashed, since keys are kept.
 */
export function credentialsKeyOf(
  { headers, credentialField }: Exchange,
  callerFields: readonly string[],
  hasCookies: boolean,
): string {
  const authorization = headers.getKind(FieldKind.authorization);
  const isUnderstood =
    authorization === undefined || (credentialField === 'authorization' && /^bearer /i.test(authorization));
  if (isUnderstood && !hasCookies && callerFields.length === 0) return '';
  const parts = [isUnderstood ? undefined : authorization, hasCookies ? headers.get('cookie') : undefined];
  for (const name of [...callerFields].sort()) parts.push(name, headers.get(name));
  return hashOf(joinParts(parts));
}

/** Kinds that are in the key already, say the same of all, or are what tells each request from all others. */
const LEFT_OUT =
  (1 << FieldKind.host) |
  (1 << FieldKind.xForwardedHost) |
  (1 << FieldKind.xForwardedProto) |
  (1 << FieldKind.xForwardedPort) |
  (1 << FieldKind.maxForwards) |
  (1 << FieldKind.xRequestId);
/** What is longer, or may be a secret, stands in the key by its hash. */
const LONGEST = 200;

/**
 * Writes into the key what policies before the cache have put into the headers of the request: the upstream sees it, and
 * nobody knows what they made it of. Cookies are looked at by themselves, and what a way to identify tells of the caller
 * belongs to the key of that caller.
 */
export function addedKeyOf({ headers, requestId, callerFields = [] }: Exchange): string {
  const added = headers.addedFields;
  if (added.length === 0) return '';
  const parts: string[] = [];
  let isSecret = false;
  for (let i = 0; i < added.length; i += 2) {
    const [name, value] = [(added[i] as string).toLowerCase(), added[i + 1] as string];
    if (((1 << fieldKindOf(name)) & LEFT_OUT) !== 0 || name === 'cookie' || value === requestId) continue;
    if (callerFields.some((field) => field[0].toLowerCase() === name && field[1] === value)) continue;
    isSecret ||= mayNameCaller(name);
    parts.push(name, value);
  }
  if (parts.length === 0) return '';
  const key = joinParts(parts);
  return `+${isSecret || key.length > LONGEST ? hashOf(key) : key}`;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
