import type { RedisConfig } from '../config/schema/redis-schema.ts';
import type { Hold } from '../core/kept-resources.ts';
import type { LimitStore } from '../core/limit-store.ts';
import type { Services } from '../core/services.ts';
import type { RedisConnection } from '../stores/redis-connection.ts';
import { RedisLimitStore } from '../stores/redis-limit-store.ts';
import type { GatewayLimits } from './gateway-limits.ts';
import { holdRedis } from './hold-redis.ts';

/** Keeps the counters in Redis, to which it connects when there is a configuration to get ready for. */
export function createRedisLimits(
  redis: RedisConfig,
  services: Pick<Services, 'clock' | 'log' | 'metrics' | 'random' | 'keep'>,
): GatewayLimits {
  let connection: Hold<RedisConnection> | undefined;
  let opened: RedisLimitStore | undefined;
  const open = (): RedisLimitStore => {
    connection ??= holdRedis(redis, services);
    opened ??= new RedisLimitStore(connection.value, services);
    return opened;
  };
  const store: LimitStore = {
    charge: (charges) => open().charge(charges),
    chargeAfterwards: (charges) => open().chargeAfterwards(charges),
  };
  return {
    store,
    /** A Redis that is away keeps no gateway from starting. */
    async prepare() {
      open();
      await connection?.value.firstAttempt;
    },
    troubles() {
      const trouble = connection?.value.trouble;
      return trouble === undefined ? [] : [`${trouble}; limits: ${redis.onStoreFailure}`];
    },
    async close() {
      opened?.close();
      connection?.release();
    },
  };
}
