import { onTestFinished } from 'vitest';
import type { RedisConfig } from '../../src/config/schema/redis-schema.ts';
import { systemClock } from '../../src/core/clock.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { RedisConnection } from '../../src/stores/redis-connection.ts';
import { RedisLimitStore } from '../../src/stores/redis-limit-store.ts';
import { LIMIT_SCRIPT } from '../../src/stores/redis-limits.ts';
import { recordLog } from '../stores/record-log.ts';

/** A store of limits as a gateway has it, which ends with the test. */
export async function openLimitStore(settings: Partial<RedisConfig>) {
  const config: RedisConfig = {
    database: 0,
    // Of a machine that does much else; a Sentinel or node that is gone refuses connections.
    commandTimeout: 5000,
    connectTimeout: 5000,
    prefix: 'test:',
    onStoreFailure: 'fair-share',
    ...settings,
  };
  const metrics = createMetrics({ version: 'test' });
  const log = recordLog();
  const services = { log, clock: systemClock, metrics, random: Math.random };
  const connection = new RedisConnection({ config, services, scripts: [LIMIT_SCRIPT] });
  const store = new RedisLimitStore(connection, services);
  onTestFinished(async () => {
    store.close();
    await connection.close();
    metrics.close();
  });
  await connection.firstAttempt;
  return { store, connection, log };
}
