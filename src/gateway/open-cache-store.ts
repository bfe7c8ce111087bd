import type { GatewayConfig } from '../config/schema/schema.ts';
import type { Services } from '../core/services.ts';
import type { CacheStore } from '../core/stores/cache-store.ts';
import { MemoryCacheStore } from '../stores/memory-cache-store.ts';

/** Makes the store of the policies `cache`, and shows what it holds. It takes no memory until something is stored. */
export function openCacheStore(
  { cache }: Pick<GatewayConfig, 'cache'>,
  { clock, metrics }: Pick<Services, 'clock' | 'metrics'>,
): CacheStore {
  const evictions = metrics.counter('gateway_cache_evictions_total', 'Resources that left for want of room.');
  const store = new MemoryCacheStore(cache.memory, clock, () => evictions.add());
  const show = (name: string, help: string, read: () => number) => metrics.gauge(name, help, {}, read);
  show('gateway_cache_bytes', 'Memory that stored responses take, in bytes.', () => store.standing().bytes);
  show('gateway_cache_resources', 'Resources that are stored.', () => store.standing().resources);
  return store;
}
