import { SharedBody } from '../../cache/shared-body.ts';
import type { BodySource } from '../../core/body.ts';
import type { CacheStore, StoredResponse } from '../../core/stores/cache-store.ts';
import type { CacheRequest } from './cache-request.ts';
import type { Flight, Flights } from './flights.ts';
import { keyOf, withOwnEtag } from './stored-response.ts';

export interface ShareOptions {
  readonly store: CacheStore;
  readonly flights: Flights;
  readonly maxBody: number;
  /** Whether what has no entity tag gets one. */
  readonly etag: boolean;
}

/**
 * Has a response stored while its body streams to whoever opens what this returns. `flight` are those who wait for it:
 * they may begin to read at once, where the response may answer them.
 */
export function shareResponse(
  { request, flight }: { readonly request: CacheRequest; readonly flight: Flight | undefined },
  body: BodySource,
  stored: StoredResponse,
  { store, maxBody, etag, flights }: ShareOptions,
): SharedBody {
  const shared = new SharedBody(body, {
    maxBufferedBytes: maxBody,
    reserve: (bytes) => store.reserve(bytes),
    release: (bytes) => store.release(bytes),
    onTooLarge: () => {
      if (flight !== undefined) flights.markAlone(flight.key);
    },
    onOutcome: (whole) => {
      flight?.end();
      if (whole === undefined) return;
      const kept = { ...stored, body: whole };
      store.keep(keyOf(request, stored), request.url, etag ? withOwnEtag(kept) : kept);
      if (flight !== undefined) flights.unmarkAlone(flight.key);
    },
  });
  if (mayAnswerOthers(stored) && shared.isOpen) flight?.settle({ response: stored, body: shared });
  else flight?.end();
  return shared;
}

/** Whether it is fresh when it comes. */
export function mayAnswerOthers({ rules }: StoredResponse): boolean {
  return !rules.alwaysValidate && rules.lifetimeMs > rules.initialAgeMs;
}
