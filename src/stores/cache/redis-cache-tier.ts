import type { Clock } from '../../core/clock.ts';
import type {
  CachedResource,
  FetchLock,
  Purge,
  PurgeReach,
  StoredResponse,
} from '../../core/stores/cache-store.ts';
import type { RedisConnection } from '../redis-connection.ts';
import { FetchLocks } from './fetch-locks.ts';
import { RedisResponses } from './redis-responses.ts';
import { type PurgeNotes, SharedPurges } from './shared-purges.ts';

/** What gateways share of their caches by Redis: responses, purges, and whose turn it is to fetch. */
export class RedisCacheTier {
  private readonly purges: SharedPurges;
  private readonly responses: RedisResponses;
  private readonly turns: FetchLocks;

  /** `notes` are the purges of the store in memory, which this one stands behind. */
  constructor(connection: RedisConnection, notes: PurgeNotes, clock: Clock) {
    this.purges = new SharedPurges(connection, notes, clock);
    this.responses = new RedisResponses(connection, this.purges, () => clock.now());
    this.turns = new FetchLocks(connection, clock, (keys) => this.responses.flushed(keys));
  }

  /** Whether anything can be found there now. */
  get isUsable(): boolean {
    return this.purges.isUsable;
  }

  find(key: string): Promise<CachedResource | undefined> {
    return this.responses.find(key);
  }

  keep(key: string, url: string, response: StoredResponse): void {
    this.responses.keep(key, url, response);
  }

  drop(key: string, response: StoredResponse): void {
    this.responses.drop(key, response);
  }

  /** Waits until what was kept here can be found by others; tells whether all of it can. */
  flushed(): Promise<boolean> {
    return this.responses.flushed();
  }

  /** Tells other gateways of the purge that was just noted here. */
  spread(purge: Purge): Promise<PurgeReach> {
    return this.purges.spread(purge);
  }

  /** Reads what was purged before. Resolves when that is noted, or Redis has not answered. */
  prepare(): Promise<void> {
    return this.purges.pulse();
  }

  async acquireFetchLock(key: string, signal: AbortSignal): Promise<FetchLock | undefined> {
    return this.isUsable ? this.turns.take(key, signal) : undefined;
  }

  close(): Promise<void> {
    return this.purges.close();
  }
}
