import { onTestFinished } from 'vitest';
import type { RedisConfig } from '../../src/config/schema/redis-schema.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { CacheStore } from '../../src/core/stores/cache-store.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { MemoryCacheStore } from '../../src/stores/cache/memory-cache-store.ts';
import { RedisCacheTier } from '../../src/stores/cache/redis-cache-tier.ts';
import { SharedCacheStore } from '../../src/stores/cache/shared-cache-store.ts';
import { RedisConnection } from '../../src/stores/redis-connection.ts';
import { recordLog } from './record-log.ts';

/** The store of one gateway, and its parts. */
export interface CacheNode {
  readonly store: SharedCacheStore;
  readonly tier: RedisCacheTier;
  readonly memory: MemoryCacheStore;
  readonly connection: RedisConnection;
}

/** Opens the store of a gateway that shares its cache by Redis. Ends with its test. */
export async function openCacheNode(settings: Partial<RedisConfig>): Promise<CacheNode> {
  const config: RedisConfig = {
    database: 0,
    // Machines that run tests are busy with much else.
    commandTimeout: 10_000,
    connectTimeout: 10_000,
    prefix: 'test:',
    onStoreFailure: 'fair-share',
    ...settings,
  };
  const metrics = createMetrics({ version: 'test' });
  const services = { log: recordLog(), clock: systemClock, metrics, random: Math.random };
  const connection = new RedisConnection({ config, services, isGateway: false });
  await connection.firstAttempt;
  const memory = new MemoryCacheStore(16 * 1024 * 1024, systemClock);
  const tier = new RedisCacheTier(connection, memory, systemClock);
  await tier.prepare();
  const store = new SharedCacheStore(memory, undefined);
  store.use(tier);
  onTestFinished(async () => {
    memory.close();
    await tier.close();
    await connection.close();
    metrics.close();
  });
  return { store, tier, memory, connection };
}

/** A store that keeps at one gateway and finds at another, whose memory is never asked. */
export function behindRedis(
  writer: CacheNode,
  reader: CacheNode,
): { store: CacheStore; settle(): Promise<unknown> } {
  const find = async (key: string) => {
    const resource = await reader.tier.find(key);
    return resource && reader.store.recheck(resource);
  };
  return {
    store: Object.create(writer.store, { find: { value: find } }),
    settle: () => writer.tier.flushed(),
  };
}
