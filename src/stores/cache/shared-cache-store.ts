import { joinReaches } from '../../cache/purge-reach.ts';
import type {
  CachedResource,
  CacheStanding,
  CacheStore,
  Purge,
  PurgeReach,
  StoredResponse,
} from '../../core/stores/cache-store.ts';

/** Purges in processes that have stores of their own. Never rejects. */
export type SpreadPurge = (purge: Purge) => Promise<PurgeReach>;

/** The store of one of several processes: what is purged in one is purged in all. */
export class SharedCacheStore implements CacheStore {
  private readonly here: CacheStore;
  private readonly spread: SpreadPurge;

  constructor(here: CacheStore, spread: SpreadPurge) {
    this.here = here;
    this.spread = spread;
  }

  get purges(): number {
    return this.here.purges;
  }

  find(key: string): CachedResource | undefined | Promise<CachedResource | undefined> {
    return this.here.find(key);
  }

  keep(key: string, url: string, response: StoredResponse): void {
    this.here.keep(key, url, response);
  }

  drop(key: string, response: StoredResponse): void {
    this.here.drop(key, response);
  }

  async purge(purge: Purge): Promise<PurgeReach> {
    const [here, elsewhere] = await Promise.all([this.here.purge(purge), this.spread(purge)]);
    return joinReaches(here, elsewhere);
  }

  reserve(bytes: number): boolean {
    return this.here.reserve(bytes);
  }

  release(bytes: number): void {
    this.here.release(bytes);
  }

  standing(): CacheStanding {
    return this.here.standing();
  }
}
