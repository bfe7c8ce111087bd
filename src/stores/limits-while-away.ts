import type { RedisConfig } from '../config/schema/redis-schema.ts';
import type { Counter, Services } from '../core/services.ts';
import type { LimitCharge, LimitRule, LimitStanding } from '../core/stores/limit-store.ts';
import { MemoryLimitStore } from './memory-limit-store.ts';
import { RedisAwayError } from './redis-failure.ts';

/** How many counters are remembered, to be counted in Redis when it is back. */
const MOST_REMEMBERED = 10_000;

/** What limits do while the store that gateways share is away. */
export class LimitsWhileAway {
  private readonly mode: RedisConfig['onStoreFailure'];
  private readonly services: Pick<Services, 'clock' | 'log' | 'metrics'>;
  private readonly countGateways: () => number;
  private readonly decided: Counter;
  /** Of each rule the share of this gateway, for as many gateways as `sharedBy`. */
  private shares = new WeakMap<LimitRule, LimitRule>();
  private sharedBy = 1;
  private store: MemoryLimitStore | undefined = undefined;
  private readonly touched = new Map<string, LimitCharge>();

  constructor(
    mode: RedisConfig['onStoreFailure'],
    services: Pick<Services, 'clock' | 'log' | 'metrics'>,
    countGateways: () => number,
  ) {
    this.mode = mode;
    this.services = services;
    this.countGateways = countGateways;
    this.decided = services.metrics.counter(
      'gateway_limits_without_store_total',
      'Requests whose limits were decided while the store of limits was away, by what is done then.',
      { mode },
    );
  }

  /** Rejects where limits that cannot be checked close the way. */
  charge(charges: readonly LimitCharge[]): readonly LimitStanding[] | Promise<readonly LimitStanding[]> {
    this.decided.add();
    if (this.mode === 'closed')
      return Promise.reject(new RedisAwayError('limits cannot be checked, since Redis is away'));
    if (this.mode === 'open') return charges.map(untouched);
    const store = this.openStore();
    this.remember(charges);
    return store.charge(charges.map((charge) => this.shareOf(charge)));
  }

  count(charges: readonly LimitCharge[]): void {
    if (this.mode !== 'fair-share') return;
    const store = this.openStore();
    this.remember(charges);
    store.chargeAfterwards(charges.map((charge) => this.shareOf(charge)));
  }

  /** Forgets what was counted here, and gives it as charges, so that it goes on counting where all gateways count. */
  takeCounted(): LimitCharge[] {
    const { store } = this;
    const counted: LimitCharge[] = [];
    if (store === undefined) return counted;
    for (const charge of this.touched.values()) {
      const share = this.shareOf(charge);
      const [standing] = store.charge([{ ...share, cost: 0 }]);
      const units = Math.floor(capacityOf(share.rule)) - (standing?.remaining ?? 0);
      if (units > 0) counted.push({ ...charge, cost: units });
    }
    this.close();
    return counted;
  }

  close(): void {
    this.touched.clear();
    void this.store?.close();
    this.store = undefined;
  }

  /** How many gateways there are is asked once an outage, so that shares do not change within it. */
  private openStore(): MemoryLimitStore {
    if (this.store !== undefined) return this.store;
    const gateways = this.countGateways();
    if (gateways !== this.sharedBy) this.shares = new WeakMap();
    this.sharedBy = gateways;
    this.store = new MemoryLimitStore(this.services);
    return this.store;
  }

  private remember(charges: readonly LimitCharge[]): void {
    for (const charge of charges) {
      const name = `${charge.limit} ${charge.key}`;
      if (this.touched.size < MOST_REMEMBERED || this.touched.has(name)) this.touched.set(name, charge);
    }
  }

  private shareOf(charge: LimitCharge): LimitCharge {
    if (this.sharedBy === 1) return charge;
    let rule = this.shares.get(charge.rule);
    if (rule === undefined) {
      const { limit, burst } = charge.rule;
      rule = { ...charge.rule, limit: this.partOf(limit), burst: this.partOf(burst) };
      this.shares.set(charge.rule, rule);
    }
    return { ...charge, rule };
  }

  /** Nobody is shut out by a limit that is smaller than the number of gateways. */
  private partOf(units: number): number {
    return Math.max(1, Math.floor(units / this.sharedBy));
  }
}

/** Units that a counter holds when it is as new. */
export function capacityOf({ algorithm, limit, windowMs, burst, maxDelayMs }: LimitRule): number {
  const isBucket = algorithm === 'token-bucket' || algorithm === 'leaky-bucket';
  return isBucket ? burst + (maxDelayMs * limit) / windowMs : limit;
}

function untouched({ rule }: LimitCharge): LimitStanding {
  const remaining = Math.floor(capacityOf(rule));
  return { isAllowed: true, remaining, resetMs: 0, retryAfterMs: 0, delayMs: 0 };
}
