import { joinReaches } from '../../cache/purge-reach.ts';
import type {
  CachedResource,
  CacheStanding,
  CacheStore,
  FetchLock,
  Purge,
  PurgeReach,
  SharedFetches,
  StoredResponse,
} from '../../core/stores/cache-store.ts';
import { isSameVariant, type MemoryCacheStore } from './memory-cache-store.ts';
import type { RedisCacheTier } from './redis-cache-tier.ts';

/** Purges in processes that have stores of their own. Never rejects. */
export type SpreadPurge = (purge: Purge) => Promise<PurgeReach>;

/**
 * The store of one of several processes: its memory, and behind that what all of them have in Redis, where there is one.
 * What is purged in one is purged in all.
 */
export class SharedCacheStore implements CacheStore, SharedFetches {
  private readonly memory: MemoryCacheStore;
  private readonly spread: SpreadPurge | undefined;
  private tier: RedisCacheTier | undefined = undefined;

  /** `spread` purges in the other processes of the same gateway. */
  constructor(memory: MemoryCacheStore, spread: SpreadPurge | undefined) {
    this.memory = memory;
    this.spread = spread;
  }

  /** Begins to use Redis. */
  use(tier: RedisCacheTier): void {
    this.tier = tier;
  }

  get purges(): number {
    return this.memory.purges;
  }

  get together(): SharedFetches | undefined {
    return this.tier?.isUsable === true ? this : undefined;
  }

  find(key: string): CachedResource | undefined | Promise<CachedResource | undefined> {
    const found = this.memory.find(key);
    if (found !== undefined || this.tier?.isUsable !== true) return found;
    return this.load(key, this.tier);
  }

  recheck(resource: CachedResource): CachedResource | undefined {
    return this.memory.recheck(resource);
  }

  keep(key: string, url: string, response: StoredResponse): void {
    this.memory.keep(key, url, response);
    this.tier?.keep(key, url, response);
  }

  drop(key: string, response: StoredResponse): void {
    this.memory.drop(key, response);
    this.tier?.drop(key, response);
  }

  async purge(purge: Purge): Promise<PurgeReach> {
    const [here, siblings] = await Promise.all([this.purgeBut(purge), this.spread?.(purge)]);
    return siblings === undefined ? here : joinReaches(here, siblings);
  }

  /** Purges here and in other gateways, but not in the other processes of this one. */
  async purgeBut(purge: Purge): Promise<PurgeReach> {
    // In this order: what others are told has been noted here.
    const [here, others] = await Promise.all([this.memory.purge(purge), this.tier?.spread(purge)]);
    return others ?? here;
  }

  reserve(bytes: number): boolean {
    return this.memory.reserve(bytes);
  }

  release(bytes: number): void {
    this.memory.release(bytes);
  }

  standing(): CacheStanding {
    return this.memory.standing();
  }

  async acquireFetchLock(key: string, signal: AbortSignal): Promise<FetchLock | undefined> {
    return this.tier?.acquireFetchLock(key, signal);
  }

  async findElsewhere(key: string): Promise<CachedResource | undefined> {
    return this.tier === undefined ? undefined : this.load(key, this.tier);
  }

  /** Takes what Redis has into memory, beside what is there and newer. */
  private async load(key: string, tier: RedisCacheTier): Promise<CachedResource | undefined> {
    const found = await tier.find(key);
    const there = this.memory.find(key);
    const left = found && this.memory.recheck(found);
    if (left === undefined) return there;
    for (const response of left.responses) {
      const here = there?.responses.find((other) => isSameVariant(other, response));
      if (here === undefined || here.responseTime < response.responseTime)
        this.memory.keep(key, left.url, response);
    }
    // What is too large for memory is still of use.
    return this.memory.find(key) ?? left;
  }
}
