import type { BufferBudget } from '../core/buffer-budget.ts';
import type { Clock } from '../core/clock.ts';
import type { Policy } from '../core/policy.ts';
import type { Services } from '../core/services.ts';
import type { SharedResources } from '../core/shared-resources.ts';
import type { Deadlines } from '../http1/deadlines.ts';
import { systemLookup } from '../http1/target/lookup.ts';
import type { AreaLog } from '../observability/log.ts';
import type { GatewayMetrics } from '../observability/metrics.ts';
import type { ConnectionCount, PoolServices } from '../proxy/pool-services.ts';

/** How many Snapshots are in use: the one that runs, and those with exchanges under way. */
export interface SnapshotCount {
  inUse: number;
}

/** What a Snapshot is built with; all of it outlives the Snapshot. */
export interface SnapshotContext {
  readonly services: Services;
  readonly clock: Clock;
  readonly log: AreaLog;
  readonly metrics: GatewayMetrics;
  readonly deadlines: Deadlines;
  readonly kept: SharedResources;
  readonly budget: BufferBudget;
  readonly policies: readonly Policy[];
  readonly targetConnections: ConnectionCount;
  readonly snapshots: SnapshotCount;
}

/** Picks what the pools of targets need. */
export function poolServicesOf({
  deadlines,
  targetConnections,
  services,
  budget,
}: SnapshotContext): PoolServices {
  return {
    deadlines,
    connections: targetConnections,
    lookup: systemLookup,
    random: services.random,
    budget,
  };
}
