import { isPromise } from '../core/is-promise.ts';
import type { Services } from '../core/services.ts';
import type { LimitCharge, LimitStanding, LimitStore } from '../core/stores/limit-store.ts';
import { LeasedLimits } from './leased-limits.ts';
import { LimitsWhileAway } from './limits-while-away.ts';
import type { RedisConnection } from './redis-connection.ts';
import { RedisLimits } from './redis-limits.ts';

/** How many counters are taken back to Redis at once. */
const TAKEN_AT_ONCE = 200;

/** Keeps the counters of limits in Redis, where all gateways count together, and knows what to do while it is away. */
export class RedisLimitStore implements LimitStore {
  private readonly connection: RedisConnection;
  private readonly limits: RedisLimits;
  private readonly leases: LeasedLimits | undefined;
  private readonly away: LimitsWhileAway;
  private readonly stopListening: () => void;

  constructor(connection: RedisConnection, services: Pick<Services, 'clock' | 'log' | 'metrics'>) {
    const { nodes, onStoreFailure, sync } = connection.config;
    const countGateways = (): number => connection.gatewayCount;
    this.connection = connection;
    this.limits = new RedisLimits(connection);
    this.leases =
      sync === undefined ? undefined : new LeasedLimits(this.limits, sync, services.clock, countGateways);
    this.away = new LimitsWhileAway(onStoreFailure, services, () => nodes ?? connection.gatewayCount);
    this.stopListening = connection.onReturn(() => void this.takeBack());
  }

  charge(charges: readonly LimitCharge[]): readonly LimitStanding[] | Promise<readonly LimitStanding[]> {
    if (!this.connection.isAvailable) return this.away.charge(charges);
    const standings = (this.leases ?? this.limits).charge(charges);
    // A request that was under way when Redis went is decided here like those after it.
    return isPromise(standings) ? standings.catch(() => this.away.charge(charges)) : standings;
  }

  chargeAfterwards(charges: readonly LimitCharge[]): void {
    if (!this.connection.isAvailable) return this.away.count(charges);
    if (this.leases !== undefined) return this.leases.count(charges);
    this.limits.count(charges).catch(() => this.away.count(charges));
  }

  close(): void {
    this.stopListening();
    this.leases?.close();
    this.away.close();
  }

  private async takeBack(): Promise<void> {
    const counted = this.away.takeCounted();
    for (let i = 0; i < counted.length; i += TAKEN_AT_ONCE) {
      const part = counted.slice(i, i + TAKEN_AT_ONCE);
      await Promise.allSettled(part.map((charge) => this.limits.count([charge])));
    }
  }
}
