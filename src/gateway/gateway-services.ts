import type { GatewayConfig } from '../config/schema/schema.ts';
import { Descriptors } from '../core/network/descriptors.ts';
import { systemLookup } from '../core/network/name-lookup.ts';
import type { Services } from '../core/services.ts';
import type { SharedResources } from '../core/shared-resources.ts';
import type { GatewayKeys } from '../keys/gateway-keys.ts';
import type { AreaLog } from '../observability/log.ts';
import { ConnectionCount } from '../proxy/pool-services.ts';
import type { SnapshotCount } from '../snapshot/snapshot-context.ts';
import type { SpreadPurge } from '../stores/cache/shared-cache-store.ts';
import type { GatewayCache } from './cache/gateway-cache.ts';
import { openCache } from './cache/open-cache.ts';
import { createGatewayKeys } from './open-api-keys.ts';
import { createIdempotency, type GatewayIdempotency } from './stores/gateway-idempotency.ts';
import { GatewayJobs } from './stores/gateway-jobs.ts';
import { createMemoryLimits, type GatewayLimits } from './stores/gateway-limits.ts';
import type { GatewayStore } from './stores/gateway-store.ts';
import { createRedisLimits } from './stores/redis-limits.ts';

export interface GatewayServicesOptions extends Pick<Services, 'clock' | 'metrics'> {
  readonly log: AreaLog;
  readonly configFolder: string;
  readonly config: GatewayConfig;
  readonly kept: SharedResources;
  /** The counters of limits, where they are not this process's own. */
  readonly limits?: GatewayLimits | undefined;
  /** Where idempotency keys are noted, where that is not this process. */
  readonly idempotency?: GatewayIdempotency | undefined;
  /** Purges in the other processes of the same gateway, where there are some. */
  readonly spreadPurge?: SpreadPurge | undefined;
}

const SNAPSHOTS_HELP =
  'Configurations that are in memory: the one that runs, and those before it with requests under way.';
const UNANSWERED_HELP =
  'Host names for which no name server answers, so that their last good addresses are used.';

/** What policies may use of a gateway, and what the gateway itself does with it. */
export interface GatewayServices extends Services {
  readonly apiKeys: GatewayKeys;
  /** Makes and ends the store that is `limits`. */
  readonly gatewayLimits: GatewayLimits;
  /** What `cache` is the store of. */
  readonly gatewayCache: GatewayCache;
  /** What `jobs` is the store of. */
  readonly gatewayJobs: GatewayJobs;
  /** All of these, to be prepared and closed. */
  readonly stores: readonly GatewayStore[];
  readonly descriptors: Descriptors;
  readonly targetConnections: ConnectionCount;
  readonly snapshots: SnapshotCount;
}

/** Makes the services of a gateway, which outlive its Snapshots. */
export function createServices(options: GatewayServicesOptions): GatewayServices {
  const { configFolder, config, kept, log, clock, metrics } = options;
  const base = { log: log.of('policies'), clock, metrics, random: Math.random };
  const keep: Services['keep'] = (key, create, close) => kept.hold(key, create, close);
  metrics.gauge('gateway_names_unanswered', UNANSWERED_HELP, {}, () => systemLookup().unanswered.length);
  const snapshots: SnapshotCount = { inUse: 0 };
  metrics.gauge('gateway_snapshots', SNAPSHOTS_HELP, {}, () => snapshots.inUse);
  const descriptors = new Descriptors({ ...base, log: log.of('listeners') });
  const gatewayLimits = options.limits ?? createLimits(config, { ...base, log: log.of('limits'), keep });
  const gatewayIdempotency = options.idempotency ?? createIdempotency(config, base);
  const gatewayJobs = new GatewayJobs(config, base);
  const gatewayCache = openCache(config, { ...base, log: log.of('policies') }, options.spreadPurge);
  return {
    ...base,
    cache: gatewayCache.store,
    gatewayCache,
    configFolder,
    keep,
    apiKeys: createGatewayKeys(config, { ...base, log: log.of('keys'), keep }),
    limits: gatewayLimits.store,
    once: gatewayLimits.once,
    gatewayLimits,
    idempotency: gatewayIdempotency.store,
    ...(config.redis !== undefined && { jobs: gatewayJobs.store }),
    gatewayJobs,
    stores: [gatewayLimits, gatewayIdempotency, gatewayCache, gatewayJobs],
    descriptors,
    targetConnections: new ConnectionCount(descriptors),
    snapshots,
  };
}

function createLimits(
  { redis }: GatewayConfig,
  services: Pick<Services, 'clock' | 'log' | 'metrics' | 'random' | 'keep'>,
): GatewayLimits {
  return redis === undefined ? createMemoryLimits(services) : createRedisLimits(redis, services);
}
