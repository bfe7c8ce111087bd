import type { GatewayConfig } from '../../config/schema/schema.ts';
import type { Services } from '../../core/services.ts';
import { MemoryCacheStore } from '../../stores/cache/memory-cache-store.ts';
import type { SpreadPurge } from '../../stores/cache/shared-cache-store.ts';
import { GatewayCache } from './gateway-cache.ts';
import { holdCacheRedis } from './hold-cache-redis.ts';

/**
 * Makes the store of the policies `cache`, and shows what it holds. It takes no memory until something is stored. `spread`
 * purges in the other processes of the same gateway.
 */
export function openCache(
  { cache, redis }: Pick<GatewayConfig, 'cache' | 'redis'>,
  services: Pick<Services, 'clock' | 'log' | 'metrics' | 'random'>,
  spread: SpreadPurge | undefined,
): GatewayCache {
  const { clock, metrics } = services;
  const evictions = metrics.counter('gateway_cache_evictions_total', 'Resources that left for want of room.');
  const store = new MemoryCacheStore(cache.memory, clock, () => evictions.add());
  const show = (name: string, help: string, read: () => number) => metrics.gauge(name, help, {}, read);
  show('gateway_cache_bytes', 'Memory that stored responses take, in bytes.', () => store.standing().bytes);
  show('gateway_cache_max_bytes', 'Memory that stored responses may take, in bytes.', () => cache.memory);
  show('gateway_cache_resources', 'Resources that are stored.', () => store.standing().resources);
  const openRedis = cache.redis && redis !== undefined ? () => holdCacheRedis(redis, services) : undefined;
  return new GatewayCache({ memory: store, spread, openRedis, clock });
}
