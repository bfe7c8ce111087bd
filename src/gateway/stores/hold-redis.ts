import type { RedisConfig } from '../../config/schema/redis-schema.ts';
import type { Services } from '../../core/services.ts';
import type { Hold } from '../../core/shared-resources.ts';
import { RedisConnection, type RedisServices } from '../../stores/redis-connection.ts';
import { LIMIT_SCRIPT } from '../../stores/redis-limits.ts';

/**
 * Finds or opens the connection to Redis, which all parts of a gateway share. A process that keeps nothing, such as a
 * command beside a gateway, gets one of its own and does not count as a gateway.
 */
export function holdRedis(
  config: RedisConfig,
  services: RedisServices & Partial<Pick<Services, 'keep'>>,
): Hold<RedisConnection> {
  const { keep, log, clock, metrics, random } = services;
  const open = (): RedisConnection =>
    new RedisConnection({
      config,
      services: { log, clock, metrics, random },
      scripts: [LIMIT_SCRIPT],
      isGateway: keep !== undefined,
    });
  if (keep !== undefined)
    return keep(`redis ${JSON.stringify(config)}`, open, (connection) => void connection.close());
  const value = open();
  return { value, release: () => void value.close() };
}
