import type { RedisConfig } from '../../config/schema/redis-schema.ts';
import type { Services } from '../../core/services.ts';
import type { Hold } from '../../core/shared-resources.ts';
import { END_FETCH_LOCK_SCRIPT } from '../../stores/cache/fetch-locks.ts';
import { PULSE_SCRIPT, PURGE_SCRIPT } from '../../stores/cache/purge-scripts.ts';
import { KEEP_SCRIPT } from '../../stores/cache/redis-responses.ts';
import { RedisConnection } from '../../stores/redis-connection.ts';

/**
 * Opens a connection to Redis for the cache alone: what is large there must keep no limit waiting, and what is late there
 * is not a reason to count without Redis.
 */
export function holdCacheRedis(
  config: RedisConfig,
  { log, clock, metrics, random }: Pick<Services, 'clock' | 'log' | 'metrics' | 'random'>,
): Hold<RedisConnection> {
  const value = new RedisConnection({
    config,
    services: { log, clock, metrics, random },
    scripts: [PULSE_SCRIPT, PURGE_SCRIPT, KEEP_SCRIPT, END_FETCH_LOCK_SCRIPT],
    isGateway: false,
    whileAway: 'the cache goes on in memory',
  });
  const available = 'Whether the cache can use Redis: 1, or 0 while it goes on in memory.';
  const stop = metrics.gauge('gateway_cache_redis_available', available, {}, () => Number(value.isAvailable));
  const release = (): void => {
    stop();
    void value.close();
  };
  return { value, release };
}
