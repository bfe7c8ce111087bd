import { definePolicy } from '../../core/policy.ts';
import { createCacheCounts } from './cache-counts.ts';
import { CacheInstance } from './cache-instance.ts';
import { cacheOptions } from './cache-options.ts';
import { Flights } from './flights.ts';

/** Responses from what is stored. */
export const cache = definePolicy({
  name: 'cache',
  summary: 'Stores responses and gives them again while they are fresh, as RFC 9111 allows.',
  options: cacheOptions(),
  combination: 'replace',
  // What it waits for has limits of its own.
  maxWaitMs: 0,
  create(options, { cache: store, clock, metrics, keep, bufferBody }) {
    if (store === undefined) throw new TypeError('there is no store for cached responses here');
    const flights = keep('cache flights', () => new Flights(clock));
    return new CacheInstance({
      options,
      store,
      clock,
      countsOf: createCacheCounts(metrics),
      flights: flights.value,
      bufferBody,
      close: () => flights.release(),
    });
  },
});
