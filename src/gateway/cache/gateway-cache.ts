import { addReaches } from '../../cache/purge-reach.ts';
import type { GatewayConfig, PolicyEntry } from '../../config/schema/schema.ts';
import type { Clock } from '../../core/clock.ts';
import type { PurgeResult } from '../../core/control.ts';
import type { Hold } from '../../core/shared-resources.ts';
import type { CacheStore, Purge, PurgeReach } from '../../core/stores/cache-store.ts';
import type { MemoryCacheStore } from '../../stores/cache/memory-cache-store.ts';
import { RedisCacheTier } from '../../stores/cache/redis-cache-tier.ts';
import { SharedCacheStore, type SpreadPurge } from '../../stores/cache/shared-cache-store.ts';
import type { RedisConnection } from '../../stores/redis-connection.ts';
import { spellPurge } from './spell-purge.ts';

export interface GatewayCacheOptions {
  readonly memory: MemoryCacheStore;
  /** Purges in the other processes of the same gateway, where there are some. */
  readonly spread: SpreadPurge | undefined;
  /** Connects to Redis, where responses are shared by it. */
  readonly openRedis: (() => Hold<RedisConnection>) | undefined;
  readonly clock: Clock;
}

/** The stored responses of a gateway, which outlive its Snapshots. */
export class GatewayCache {
  /** The store of the policies. What is purged there, as by an unsafe method, is purged everywhere. */
  readonly store: CacheStore;
  private readonly options: GatewayCacheOptions;
  private readonly shared: SharedCacheStore;
  private connection: Hold<RedisConnection> | undefined = undefined;
  private tier: RedisCacheTier | undefined = undefined;

  constructor(options: GatewayCacheOptions) {
    const { memory, spread, openRedis } = options;
    this.options = options;
    this.shared = new SharedCacheStore(memory, spread);
    this.store = spread === undefined && openRedis === undefined ? memory : this.shared;
  }

  /** Gets ready for a configuration: connects to Redis where that is needed. One that is away keeps no gateway from starting. */
  async prepare(config: GatewayConfig): Promise<void> {
    const { openRedis, memory, clock } = this.options;
    if (this.connection !== undefined || openRedis === undefined || !usesCache(config)) return;
    this.connection = openRedis();
    const { value } = this.connection;
    await value.firstAttempt;
    this.tier = new RedisCacheTier(value, memory, clock);
    await this.tier.prepare();
    this.shared.use(this.tier);
  }

  /** Purges everywhere what an operator has written. */
  purge(written: Purge): Promise<PurgeResult> {
    return purgeAsWritten(written, (purge) => this.store.purge(purge));
  }

  /** Purges in this process alone. */
  purgeHere(purge: Purge): Promise<PurgeReach> {
    return this.options.memory.purge(purge);
  }

  /** Purges here and in other gateways, but not in the other processes of this one. */
  purgeElsewhere(purge: Purge): Promise<PurgeReach> {
    return this.shared.purgeBut(purge);
  }

  /** What is amiss, a sentence each. */
  problems(): readonly string[] {
    const problem = this.connection?.value.problem;
    return problem === undefined ? [] : [`${problem}; cache: memory only`];
  }

  async close(): Promise<void> {
    this.options.memory.close();
    await this.tier?.close();
    this.connection?.release();
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

function usesCache({ policies, routes }: Pick<GatewayConfig, 'policies' | 'routes'>): boolean {
  const isCache = ({ name }: PolicyEntry): boolean => name === 'cache';
  return policies.some(isCache) || routes.some((route) => route.policies.some(isCache));
}
