import type { RedisConfig } from '../config/schema/redis-schema.ts';
import type { Services } from '../core/services.ts';
import type { KeyRedis } from '../keys/redis-key-store.ts';
import { redisScript } from '../stores/redis-script.ts';
import { holdRedis } from './stores/hold-redis.ts';

/** Lets keys use Redis. Resolves when it has answered or is known to be away; whoever needs it then hears that. */
export async function openKeyRedis(
  redis: RedisConfig,
  services: Pick<Services, 'log' | 'clock' | 'metrics' | 'random'> & Partial<Pick<Services, 'keep'>>,
): Promise<KeyRedis> {
  const { value: connection, release } = holdRedis(redis, services);
  await connection.firstAttempt;
  const scripts = new Map<string, ReturnType<typeof redisScript>>();
  return {
    run(source, keys, args) {
      const script = scripts.get(source) ?? redisScript(source);
      scripts.set(source, script);
      return connection.runScript(script, keys, args);
    },
    close: release,
  };
}
