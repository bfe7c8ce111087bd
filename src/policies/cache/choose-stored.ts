import { judgeReuse } from '../../cache/reuse.ts';
import { selectsCaller } from '../../cache/storability.ts';
import { variantKeyOf } from '../../cache/vary.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { CachedResource, StoredResponse } from '../../core/stores/cache-store.ts';
import type { CacheRequest } from './cache-request.ts';

export type Found = CachedResource | undefined;

/** Finds the stored response that fits a request: a fresh one before a stale one, the newest first. */
export function chooseStored(
  exchange: Exchange,
  request: CacheRequest,
  own: Found,
  shared: Found,
  now: number,
): StoredResponse | undefined {
  const isKnown = request.isIdentified || request.hasAuthorization;
  let first: StoredResponse | undefined;
  for (let i = 0; i < (own?.responses.length ?? 0); i++) {
    const response = own?.responses[i] as StoredResponse;
    if (!selects(exchange, response)) continue;
    if (judgeReuse(response, now, request.asked) === 'fresh') return response;
    first ??= response;
  }
  for (let i = 0; i < (shared?.responses.length ?? 0); i++) {
    const response = shared?.responses[i] as StoredResponse;
    if (!isForSuch(response, isKnown, request) || !selects(exchange, response)) continue;
    if (judgeReuse(response, now, request.asked) === 'fresh') return response;
    first ??= response;
  }
  return first;
}

/**
 * What is for everybody is for callers who are known, or may be to the service, only where it says so itself or is selected
 * by what they may be known by. One that names its lifetime and was asked for without cookies is also for those who have some.
 */
function isForSuch({ rules }: StoredResponse, isKnown: boolean, request: CacheRequest): boolean {
  if (rules.isForAll) return true;
  if (isKnown) return false;
  const { hasCookies, callerFields } = request;
  return selectsCaller(rules.vary, { hasCookies: hasCookies && rules.isSilent, callerFields });
}

/** Whether a request selects this variant (RFC 9111 §4.1). */
export function selects(exchange: Exchange, response: StoredResponse): boolean {
  return variantOf(response, exchange) === response.variantKey;
}

/** Which variant a request would select if it were about `response`. */
export function variantOf(response: StoredResponse | undefined, { request }: Exchange): string {
  if (response === undefined || response.rules.vary.length === 0) return '';
  return variantKeyOf(response.rules.vary, request.headers);
}
