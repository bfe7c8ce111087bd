import { duration } from '../config/schema/scalars.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import type { LimitAlgorithm, LimitRule, LimitStore } from '../core/stores/limit-store.ts';
import { RateLimiter as LimiterByStore } from '../limits/rate-limiter.ts';
import { MemoryLimitStore } from '../stores/memory-limit-store.ts';

/** What a `RateLimiter` allows, and where its counters are: in this process, unless `gateway` or `store` say otherwise. */
export type RateLimiterOptions = LimiterPlace & (WrittenLimit | { readonly rule: LimitRule });

interface LimiterPlace {
  /** Limiters of one name and rule share their counters where they share a store. Default: `limiter`. */
  readonly name?: string;
  /** Counts where the limits of this gateway do: in Redis, where its configuration says so. */
  readonly gateway?: { readonly limits: LimitStore };
  /** Counts here: `services.limits` in a policy. */
  readonly store?: LimitStore;
  /** Time for counters of its own. Default: the machine's. */
  readonly clock?: Clock;
}

/** A limit as the policy `rate-limit` has it. */
interface WrittenLimit {
  /** Requests in a window. */
  readonly limit: number;
  /** As in a configuration (`1m`), or in milliseconds. */
  readonly window: string | number;
  /** Default: `token-bucket`. */
  readonly algorithm?: LimitAlgorithm;
  /** Requests that may come at once, for buckets. Default: `limit`. */
  readonly burst?: number;
}

/** Counts requests of clients under one limit. Throws `TypeError` for a limit that is invalid. */
export class RateLimiter extends LimiterByStore {
  constructor(options: RateLimiterOptions) {
    const { name = 'limiter', gateway, store = gateway?.limits } = options;
    super({ name, rule: ruleOf(options), store: store ?? ownStore(options.clock) });
  }
}

const ALGORITHMS: ReadonlySet<LimitAlgorithm> = new Set([
  'token-bucket',
  'leaky-bucket',
  'fixed-window',
  'sliding-window',
]);

function ruleOf(options: RateLimiterOptions): LimitRule {
  if ('rule' in options) return options.rule;
  const { limit, window, algorithm = 'token-bucket', burst = limit } = options;
  if (!ALGORITHMS.has(algorithm))
    throw new TypeError(`algorithm of a rate limiter is not one of ${[...ALGORITHMS].join(', ')}`);
  for (const [what, units] of Object.entries({ limit, burst })) {
    if (!Number.isSafeInteger(units) || units < 1)
      throw new TypeError(`${what} of a rate limiter is not a whole number of at least 1`);
  }
  return { algorithm, limit, windowMs: millisecondsOf(window), burst, maxDelayMs: 0 };
}

function millisecondsOf(window: string | number): number {
  const ms = typeof window === 'number' ? window : duration().safeParse(window).data;
  if (ms !== undefined && Number.isSafeInteger(ms) && ms >= 1) return ms;
  throw new TypeError('window of a rate limiter is not a duration — write 1m, or milliseconds');
}

function ownStore(clock: Clock = systemClock): LimitStore {
  const silent = (): void => {};
  const log = { debug: silent, info: silent, warn: silent, error: silent };
  return new MemoryLimitStore({
    clock,
    log,
    metrics: { counter: () => ({ add: silent }), gauge: () => silent },
  });
}
