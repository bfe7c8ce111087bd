import { runCheck } from '../../src/cli/doctor/finding.ts';
import { redisCheck } from '../../src/cli/doctor/redis.ts';
import type { RedisConfig } from '../../src/config/schema/redis-schema.ts';

/** What the doctor finds wrong about Redis. */
export async function lookAtRedis(settings: Partial<RedisConfig>): Promise<string[]> {
  const config: RedisConfig = {
    database: 0,
    commandTimeout: 5000,
    connectTimeout: 2000,
    prefix: 'test:',
    onStoreFailure: 'fair-share',
    ...settings,
  };
  const findings = await runCheck(redisCheck(config));
  return findings.filter(({ verdict }) => verdict === 'problem').map(({ message }) => message);
}
