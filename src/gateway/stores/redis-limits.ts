import type { RedisConfig } from '../../config/schema/redis-schema.ts';
import type { Services } from '../../core/services.ts';
import type { Hold } from '../../core/shared-resources.ts';
import type { LimitStore } from '../../core/stores/limit-store.ts';
import type { OnceStore } from '../../core/stores/once-store.ts';
import type { RedisConnection } from '../../stores/redis-connection.ts';
import { RedisLimitStore } from '../../stores/redis-limit-store.ts';
import { RedisOnceStore } from '../../stores/redis-once-store.ts';
import type { GatewayLimits } from './gateway-limits.ts';
import { holdRedis } from './hold-redis.ts';

/** Keeps the counters and what is good once in Redis, to which it connects when there is a configuration to get ready for. */
export function createRedisLimits(
  redis: RedisConfig,
  services: Pick<Services, 'clock' | 'log' | 'metrics' | 'random' | 'keep'>,
): GatewayLimits {
  let connection: Hold<RedisConnection> | undefined;
  let opened: RedisLimitStore | undefined;
  let openedOnce: RedisOnceStore | undefined;
  const connect = (): RedisConnection => {
    connection ??= holdRedis(redis, services);
    return connection.value;
  };
  const open = (): RedisLimitStore => {
    opened ??= new RedisLimitStore(connect(), services);
    return opened;
  };
  const store: LimitStore = {
    charge: (charges) => open().charge(charges),
    chargeAfterwards: (charges) => open().chargeAfterwards(charges),
  };
  const once: OnceStore = {
    note(...name) {
      openedOnce ??= new RedisOnceStore(connect(), services.clock);
      return openedOnce.note(...name);
    },
  };
  return {
    store,
    once,
    /** A Redis that is away keeps no gateway from starting. */
    async prepare() {
      open();
      await connection?.value.firstAttempt;
    },
    problems() {
      const problem = connection?.value.problem;
      return problem === undefined ? [] : [`${problem}; limits: ${redis.onStoreFailure}`];
    },
    async close() {
      opened?.close();
      connection?.release();
    },
  };
}
