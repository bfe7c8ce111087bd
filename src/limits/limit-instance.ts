import type { Clock } from '../core/clock.ts';
import type { PolicyInstance, PolicyNeighbour, PolicyPlace } from '../core/policy.ts';
import type { Services } from '../core/services.ts';
import type { Hold } from '../core/shared-resources.ts';
import type { LimitStore } from '../core/stores/limit-store.ts';
import { DelayQueue } from './delay-queue.ts';
import { LimitGroup } from './limit-group.ts';
import type { LimitUse } from './limit-use.ts';

/** A limit in a list of policies. On a route it runs as one of a group, however small. */
export class LimitInstance implements PolicyInstance {
  readonly use: LimitUse;
  readonly store: LimitStore;
  readonly queue: DelayQueue;
  readonly close: () => void;
  readonly join = joinLimits;

  constructor(use: LimitUse, services: Services) {
    this.use = use;
    this.store = requireLimits(services);
    const hold = holdQueue(services, services.clock);
    this.queue = hold.value;
    this.close = () => hold.release();
  }
}

/** Tells a quota from all other policies. */
export function isQuota(instance: PolicyInstance): instance is LimitInstance {
  return instance instanceof LimitInstance && instance.use.code === 'GW_QUOTA_EXCEEDED';
}

/** Names a counter: by its `id`, else by route and policy. A limit of the top level is one counter for all routes. */
export function nameLimit(policy: string, place: PolicyPlace | undefined): string {
  if (place?.id !== undefined) return place.id;
  return place?.route === undefined ? policy : `${place.route}/${policy}`;
}

function joinLimits(neighbours: readonly PolicyNeighbour[]): PolicyInstance[] {
  const limits = neighbours.map(({ instance }) => instance as LimitInstance);
  const { store, queue } = limits[0] as LimitInstance;
  const members = limits.map(({ use }, i) => ({ use, isObserved: neighbours[i]?.isObserved === true }));
  return new LimitGroup(members, store, queue).instances();
}

function requireLimits({ limits }: Services): LimitStore {
  if (limits === undefined) throw new TypeError('there is no store for the counters of limits');
  return limits;
}

/** One for all, so that who waits goes on waiting in the same line after a reload. */
function holdQueue(services: Services, clock: Clock): Hold<DelayQueue> {
  return services.keep('limit queue', () => new DelayQueue(clock));
}
