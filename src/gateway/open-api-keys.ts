import path from 'node:path';
import type { GatewayConfig } from '../config/schema/schema.ts';
import type { Services } from '../core/services.ts';
import { findOrMakePepper } from '../keys/find-pepper.ts';
import { GatewayKeys } from '../keys/gateway-keys.ts';
import { createRedisKeyStore } from '../keys/redis-key-store.ts';
import { openSqliteKeyStore } from '../keys/sqlite-key-store.ts';
import { openKeyRedis } from './open-key-redis.ts';

type KeysConfig = Pick<GatewayConfig, 'apiKeys' | 'dataDir' | 'redis'>;

/** Makes the API keys of a configuration, of which nothing is opened before somebody asks for it. */
export function createGatewayKeys(
  { apiKeys, dataDir, redis }: KeysConfig,
  services: Pick<Services, 'log' | 'clock' | 'metrics' | 'random'> & Partial<Pick<Services, 'keep'>>,
): GatewayKeys {
  return new GatewayKeys({
    environment: apiKeys.environment,
    findPepper: async () => apiKeys.pepper ?? findOrMakePepper(dataDir, services.log),
    openStore: async (fingerprint) => {
      if (apiKeys.store === 'embedded')
        return openSqliteKeyStore(path.join(dataDir, 'api-keys.db'), fingerprint, services.clock);
      if (redis === undefined || apiKeys.pepper === undefined)
        throw new TypeError('API keys in Redis need redis and apiKeys.pepper');
      return createRedisKeyStore(await openKeyRedis(redis, services), redis.prefix, fingerprint);
    },
    services,
  });
}
