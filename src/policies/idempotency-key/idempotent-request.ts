import { createHash, randomUUID } from 'node:crypto';
import { joinParts } from '../../cache/cache-key.ts';
import type { Exchange } from '../../core/exchange.ts';
import { callerName } from '../../core/identity/caller-name.ts';
import { addressKey } from '../../core/request-key.ts';
import type { IdempotencyClaim } from '../../core/stores/idempotency-store.ts';

/** A claim, and the secret that its record is encrypted with, which only those know who know the key. */
export interface IdempotentRequest {
  readonly claim: IdempotencyClaim;
  readonly secret: Buffer;
}

/** A string of RFC 9651 §3.3.3. */
const STRING = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
/** What many clients send instead: visible characters, but for those that would make a list or parameters of it. */
const BARE = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]+$/;
const MAX_CHARS = 255;

/** Reads the value of `Idempotency-Key`: quoted, as the draft says, or bare. `undefined` where it is neither. */
export function readIdempotencyKey(value: string): string | undefined {
  const quoted = STRING.exec(value)?.[1];
  const key = quoted === undefined ? BARE.exec(value)?.[0] : quoted.replace(/\\(.)/g, '$1');
  return key === undefined || key === '' || key.length > MAX_CHARS ? undefined : key;
}

/**
 * Makes the claim of a request, whose body has been read. A key belongs to its caller: the subject, as its authentication
 * method and issuer name it, or the address of an anonymous one.
 */
export function idempotentRequest(exchange: Exchange, key: string): IdempotentRequest {
  const caller = callerOf(exchange);
  const secretParts = joinParts([caller, key]);
  return {
    claim: {
      caller: hash(caller).slice(0, 22),
      key: hash(`key ${secretParts}`),
      fingerprint: fingerprintOf(exchange),
      owner: randomUUID(),
    },
    secret: createHash('sha256').update(`record ${secretParts}`).digest(),
  };
}

function callerOf(exchange: Exchange): string {
  const name = callerName(exchange);
  return joinParts(name === undefined ? ['address', addressKey(exchange)] : ['identity', ...name]);
}

/**
 * All that the same request has in common. What an anonymous caller shows to the upstream belongs to it as well: of two
 * behind one address, none may get the response of the other.
 */
function fingerprintOf(exchange: Exchange): string {
  const { request, route, path, search, publicAuthority, identity, callerFields, bodyBytes } = exchange;
  const { method, headers } = request;
  const parts: (string | undefined)[] = [
    ...[route.id, method, publicAuthority.toLowerCase(), path, search],
    ...[headers.get('content-type'), headers.get('content-encoding')],
  ];
  if (identity === undefined) {
    parts.push(headers.get('authorization'), headers.get('cookie'));
    if (exchange.credentialField !== '') parts.push(headers.get(exchange.credentialField));
  }
  if (callerFields !== undefined) parts.push(...callerFields.flat());
  const hashed = createHash('sha256').update(joinParts(parts));
  return hashed.update(bodyBytes ?? '').digest('base64url');
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
