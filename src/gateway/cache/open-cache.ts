import type { GatewayConfig } from '../../config/schema/schema.ts';
import type { Services } from '../../core/services.ts';
import { MemoryCacheStore } from '../../stores/cache/memory-cache-store.ts';
import type { SpreadPurge } from '../../stores/cache/shared-cache-store.ts';
import { GatewayCache } from './gateway-cache.ts';

/**
 * Makes the store of the policies `cache`, and shows what it holds. It takes no memory until something is stored. `spread`
 * purges in the other processes of the same gateway.
 */
export function openCache(
  { cache }: Pick<GatewayConfig, 'cache'>,
  { clock, metrics }: Pick<Services, 'clock' | 'metrics'>,
  spread: SpreadPurge | undefined,
): GatewayCache {
  const evictions = metrics.counter('gateway_cache_evictions_total', 'Resources that left for want of room.');
  const store = new MemoryCacheStore(cache.memory, clock, () => evictions.add());
  const show = (name: string, help: string, read: () => number) => metrics.gauge(name, help, {}, read);
  show('gateway_cache_bytes', 'Memory that stored responses take, in bytes.', () => store.standing().bytes);
  show('gateway_cache_max_bytes', 'Memory that stored responses may take, in bytes.', () => cache.memory);
  show('gateway_cache_resources', 'Resources that are stored.', () => store.standing().resources);
  return new GatewayCache(store, spread);
}
