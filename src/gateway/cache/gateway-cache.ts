import { addReaches } from '../../cache/purge-reach.ts';
import type { PurgeResult } from '../../core/control.ts';
import type { CacheStore, Purge, PurgeReach } from '../../core/stores/cache-store.ts';
import type { MemoryCacheStore } from '../../stores/cache/memory-cache-store.ts';
import { SharedCacheStore, type SpreadPurge } from '../../stores/cache/shared-cache-store.ts';
import { spellPurge } from './spell-purge.ts';

/** The stored responses of a gateway, which outlive its Snapshots. */
export class GatewayCache {
  /** The store of the policies. What is purged there, as by an unsafe method, is purged everywhere. */
  readonly store: CacheStore;
  private readonly memory: MemoryCacheStore;

  /** `spread` purges in the other processes of the same gateway, where there are some. */
  constructor(memory: MemoryCacheStore, spread: SpreadPurge | undefined) {
    this.memory = memory;
    this.store = spread === undefined ? memory : new SharedCacheStore(memory, spread);
  }

  /** Purges everywhere what an operator has written. */
  purge(written: Purge): Promise<PurgeResult> {
    return purgeAsWritten(written, (purge) => this.store.purge(purge));
  }

  /** Purges in this process alone. */
  purgeHere(purge: Purge): Promise<PurgeReach> {
    return this.memory.purge(purge);
  }

  close(): void {
    this.memory.close();
  }
}

/** Purges what an operator has written, in all spellings of it. */
export async function purgeAsWritten(written: Purge, purgeOne: SpreadPurge): Promise<PurgeResult> {
  const spelled = spellPurge(written);
  if (!spelled.ok) return spelled;
  const reaches = await Promise.all(spelled.purges.map(purgeOne));
  const reached = Math.min(...reaches.map((reach) => reach.reached));
  return { ok: true, reached, unreached: addReaches(reaches).unreached };
}
