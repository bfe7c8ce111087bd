import { judgeReuse } from '../../cache/reuse.ts';
import type { Clock } from '../../core/clock.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { CacheStore, SharedFetches, StoredResponse } from '../../core/stores/cache-store.ts';
import type { CacheRequest } from './cache-request.ts';
import { chooseStored } from './choose-stored.ts';
import type { Flight, Flights } from './flights.ts';

/** What there is to do once it is this gateway's turn to fetch. */
export interface FetchState {
  /** What another gateway has stored meanwhile and may answer now. */
  readonly fresh: StoredResponse | undefined;
  /** What is stored and has to be validated. */
  readonly stale: StoredResponse | undefined;
}

export interface FetchParts {
  readonly together: SharedFetches;
  readonly store: CacheStore;
  readonly flight: Flight;
  readonly flights: Flights;
  readonly clock: Pick<Clock, 'now'>;
}

/**
 * Waits until no other gateway fetches what this flight is about, and looks at what came of that. The turn ends with the
 * flight.
 */
export async function waitForFetch(
  exchange: Exchange,
  request: CacheRequest,
  { together, store, flight, flights, clock }: FetchParts,
): Promise<FetchState> {
  const turn = await together.acquireFetchLock(flight.key, exchange.signal);
  const { key, subjectKey } = request;
  if (turn === undefined) return { fresh: undefined, stale: undefined };
  const keys = subjectKey === undefined ? [key] : [subjectKey, key];
  flight.onEnd = () => turn.end(keys, !flights.isAlone(flight.key));
  const resources = await Promise.all([
    subjectKey === undefined ? undefined : together.findElsewhere(subjectKey),
    together.findElsewhere(key),
  ]);
  const [own, shared] = resources.map((resource) => resource && store.recheck(resource));
  const time = clock.now();
  const found = chooseStored(exchange, request, own, shared, time);
  if (found === undefined) return { fresh: undefined, stale: undefined };
  const isFresh = judgeReuse(found, time, request.asked) === 'fresh';
  return isFresh ? { fresh: found, stale: undefined } : { fresh: undefined, stale: found };
}
