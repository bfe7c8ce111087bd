import { createHash } from 'node:crypto';
import { joinParts } from '../../cache/cache-key.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { Identity } from '../../core/identity/identity.ts';

/** Claims that differ from one token of a caller to its next, and say nothing about the caller (RFC 7519 §4.1, OpenID Connect Core §2). */
const OF_ONE_TOKEN: ReadonlySet<string> = new Set(
  'exp nbf iat jti nonce at_hash c_hash s_hash aio rh uti'.split(' '),
);

/** One identity serves many requests, so that its key is made once. */
const keys = new WeakMap<Identity, string>();

/**
 * Who is calling, so that no two callers to whom a service may answer differently are one: all that the service may learn
 * of the caller belongs to it, which is who vouches for the subject, what it may do, every claim, and what else the
 * service is told.
 */
export function callerKeyOf(identity: Identity, callerFields: Exchange['callerFields']): string {
  let key = keys.get(identity);
  if (key === undefined) {
    key = keyOf(identity);
    keys.set(identity, key);
  }
  return callerFields === undefined ? key : key + joinParts(callerFields.flat());
}

function keyOf({ subject, method, claims, roles, permissions, keyId, plan }: Identity): string {
  const lasting = Object.keys(claims)
    .filter((name) => !OF_ONE_TOKEN.has(name))
    .sort();
  const said = lasting.map((name) => joinParts([name, JSON.stringify(claims[name])]));
  const hash = createHash('sha256').update(joinParts(said)).digest('base64');
  return joinParts([method, subject, joinParts(roles), joinParts(permissions), keyId, plan, hash]);
}
