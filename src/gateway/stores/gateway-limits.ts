import type { GatewayConfig, PolicyEntry } from '../../config/schema/schema.ts';
import type { Services } from '../../core/services.ts';
import type { LimitStore } from '../../core/stores/limit-store.ts';
import type { OnceStore } from '../../core/stores/once-store.ts';
import { MemoryLimitStore } from '../../stores/memory-limit-store.ts';
import { MemoryOnceStore } from '../../stores/memory-once-store.ts';
import { openQuotaJournal } from '../../stores/quota-journal.ts';
import type { GatewayStore } from './gateway-store.ts';

/** The counters of the limits of a gateway and what is good once there, which outlive its Snapshots. */
export interface GatewayLimits extends GatewayStore {
  readonly store: LimitStore;
  readonly once: OnceStore;
}

/** Keeps the counters in this process, and those of quotas in `dataDir` as well. */
export function createMemoryLimits(services: Pick<Services, 'clock' | 'log' | 'metrics'>): GatewayLimits {
  const store = new MemoryLimitStore(services);
  let hasJournal = false;
  let stopMeasuring = (): void => {};
  return {
    store,
    once: new MemoryOnceStore(services.clock),
    async prepare(config) {
      if (hasJournal || !usesQuotas(config)) return;
      hasJournal = true;
      try {
        await store.keepIn(await openQuotaJournal(config.dataDir, services.clock));
        const help = 'Whether quotas can be written down in dataDir: 1, or 0 while they hold in memory only.';
        stopMeasuring = services.metrics.gauge('gateway_quota_store_up', help, {}, () =>
          Number(store.problem === undefined),
        );
      } catch (error) {
        hasJournal = false;
        throw new Error(
          `quotas cannot be kept in ${config.dataDir} (${(error as Error).message}): make dataDir a folder that this user may write to`,
          { cause: error },
        );
      }
    },
    problems: () =>
      store.problem === undefined
        ? []
        : [`quotas cannot be written down (${store.problem}); until they are, they hold in memory only`],
    async close() {
      stopMeasuring();
      await store.close();
    },
  };
}

/** Leaves both to stores that somebody else looks after. */
export function useLimits(store: LimitStore, once: OnceStore): GatewayLimits {
  return { store, once, async prepare() {}, problems: () => [], async close() {} };
}

function usesQuotas({ policies, routes }: Pick<GatewayConfig, 'policies' | 'routes'>): boolean {
  const isQuota = ({ name }: PolicyEntry): boolean => name === 'quota';
  return policies.some(isQuota) || routes.some((route) => route.policies.some(isQuota));
}
