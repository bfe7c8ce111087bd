import type { Clock } from '../core/clock.ts';
import type { LimitCharge, LimitRule, LimitStanding } from '../core/stores/limit-store.ts';
import type { RedisLimits } from './redis-limits.ts';

/** Share of what is left of a limit that all gateways together may spend before Redis hears of it. */
const LEASED_SHARE = 0.1;

/** What a gateway knows of one counter since it last asked. */
interface Lease {
  readonly charge: LimitCharge;
  /** Units that may still be spent without asking. */
  free: number;
  /** Units spent that Redis has not been told of. */
  spent: number;
  /** Units that Redis is being told of. */
  pushing: number;
  remaining: number;
  /** On the monotonic clock: when the counter is as new. */
  resetAt: number;
  /** Until when charges of at least `rejectedCost` are rejected without asking. */
  rejectedUntil: number;
  rejectedCost: number;
  /** When the rejected charge would be allowed. */
  allowedAt: number;
}

/**
 * Decides about busy counters without asking Redis each time. With every answer a gateway gets a lease: it may spend its
 * part of a tenth of what is left, and has to ask again when that is spent, at the latest after `syncMs`. What all
 * gateways have spent beyond a limit when it is used up is therefore at most a tenth of it.
 */
export class LeasedLimits {
  private readonly limits: RedisLimits;
  private readonly syncMs: number;
  private readonly clock: Clock;
  private readonly countGateways: () => number;
  private readonly leases = new Map<string, Lease>();
  private readonly stopSyncing: () => void;

  constructor(limits: RedisLimits, syncMs: number, clock: Clock, countGateways: () => number) {
    this.limits = limits;
    this.syncMs = syncMs;
    this.clock = clock;
    this.countGateways = countGateways;
    this.stopSyncing = clock.every(syncMs, () => this.sync());
  }

  charge(charges: readonly LimitCharge[]): readonly LimitStanding[] | Promise<readonly LimitStanding[]> {
    const now = this.clock.monotonic();
    const leases: Lease[] = [];
    let isPassed = true;
    for (let i = 0; i < charges.length; i++) {
      const charge = charges[i] as LimitCharge;
      const lease = this.leases.get(nameOf(charge));
      if (lease === undefined || !knows(lease, charge, now)) return this.ask(charges);
      if (isRejected(lease, charge, now) && charge.isObserved !== true) isPassed = false;
      leases.push(lease);
    }
    const standings: LimitStanding[] = [];
    for (let i = 0; i < charges.length; i++)
      standings.push(spend(leases[i] as Lease, charges[i] as LimitCharge, isPassed, now));
    return standings;
  }

  /** Counts what is known only afterwards. Redis hears of it with the next sync, or at once where it is not spent here. */
  count(charges: readonly LimitCharge[]): void {
    const others: LimitCharge[] = [];
    for (const charge of charges) {
      const name = nameOf(charge);
      const lease = this.leases.get(name);
      // What was not spent under the lease cannot be handed back to it.
      if (lease !== undefined && isSameCounter(lease.charge, charge) && lease.spent + charge.cost >= 0) {
        take(lease, charge.cost);
        continue;
      }
      others.push(charge);
      if (lease === undefined) continue;
      this.pushSpent([lease]).catch(() => {});
      this.leases.delete(name);
    }
    if (others.length > 0) this.limits.count(others).catch(() => {});
  }

  close(): void {
    this.stopSyncing();
    this.pushSpent([...this.leases.values()]).catch(() => {});
    this.leases.clear();
  }

  /** Tells Redis first what was spent of these counters, then asks. Commands keep their order. */
  private async ask(charges: readonly LimitCharge[]): Promise<readonly LimitStanding[]> {
    const known = charges.map((charge) => this.leases.get(nameOf(charge)));
    const pushing = this.pushSpent(known.filter((lease) => lease !== undefined));
    const [, standings] = await Promise.all([pushing, this.limits.charge(charges)]);
    const now = this.clock.monotonic();
    for (let i = 0; i < charges.length; i++) {
      const charge = charges[i] as LimitCharge;
      // A request in a queue waits as long as Redis says.
      if (charge.rule.maxDelayMs === 0) this.renew(charge, standings[i] as LimitStanding, now);
    }
    return standings;
  }

  private async pushSpent(leases: readonly Lease[]): Promise<readonly LimitStanding[]> {
    const told = leases.filter((lease) => lease.spent !== 0);
    const charges = told.map((lease) => ({ ...lease.charge, cost: lease.spent }));
    for (const lease of told) {
      lease.pushing += lease.spent;
      lease.spent = 0;
    }
    try {
      return await this.limits.count(charges);
    } finally {
      for (const [i, lease] of told.entries()) lease.pushing -= charges[i]?.cost ?? 0;
    }
  }

  private sync(): void {
    for (const [name, lease] of this.leases) {
      // Nothing was spent, so it is asked for anew when somebody comes.
      if (lease.spent === 0) {
        this.leases.delete(name);
        continue;
      }
      const { charge } = lease;
      // Meanwhile it goes on with what it has.
      this.pushSpent([lease]).then(
        ([standing]) => {
          if (standing !== undefined && this.leases.get(name) === lease)
            this.renew(charge, standing, this.clock.monotonic());
        },
        () => this.leases.delete(name),
      );
    }
  }

  private renew(charge: LimitCharge, standing: LimitStanding, now: number): void {
    const name = nameOf(charge);
    const former = this.leases.get(name);
    const isSame = former !== undefined && isSameCounter(former.charge, charge);
    const lease = isSame ? former : newLease(charge);
    // Of these the response does not know yet.
    const unheard = Math.max(0, lease.spent + lease.pushing);
    lease.remaining = standing.remaining - unheard;
    lease.free = Math.floor((standing.remaining * LEASED_SHARE) / this.countGateways()) - unheard;
    lease.resetAt = now + standing.resetMs;
    if (standing.isAllowed) {
      lease.rejectedUntil = 0;
    } else {
      lease.rejectedCost = charge.cost;
      lease.allowedAt = now + standing.retryAfterMs;
      lease.rejectedUntil = Math.min(lease.allowedAt, now + this.syncMs);
    }
    this.leases.set(name, lease);
  }
}

function newLease(charge: LimitCharge): Lease {
  return {
    charge,
    free: 0,
    spent: 0,
    pushing: 0,
    remaining: 0,
    resetAt: 0,
    rejectedUntil: 0,
    rejectedCost: 0,
    allowedAt: 0,
  };
}

function nameOf({ limit, key }: LimitCharge): string {
  return `${limit} ${key}`;
}

function isSameCounter(
  { rule, period }: { readonly rule: LimitRule; readonly period?: LimitCharge['period'] },
  charge: LimitCharge,
): boolean {
  return rule === charge.rule && period?.startsAt === charge.period?.startsAt;
}

/** Tells whether a lease is enough to decide about a charge. */
function knows(lease: Lease, charge: LimitCharge, now: number): boolean {
  if (!isSameCounter(lease.charge, charge) || charge.cost < 0) return false;
  return charge.cost <= lease.free || isRejected(lease, charge, now);
}

function isRejected(lease: Lease, { cost }: LimitCharge, now: number): boolean {
  return cost > 0 && now < lease.rejectedUntil && cost >= lease.rejectedCost;
}

function spend(lease: Lease, charge: LimitCharge, isPassed: boolean, now: number): LimitStanding {
  const isAllowed = !isRejected(lease, charge, now);
  if (isPassed && isAllowed) take(lease, charge.cost);
  return {
    isAllowed,
    remaining: Math.max(0, lease.remaining),
    resetMs: Math.max(0, Math.ceil(lease.resetAt - now)),
    retryAfterMs: isAllowed ? 0 : Math.max(1, Math.ceil(lease.allowedAt - now)),
    delayMs: 0,
  };
}

function take(lease: Lease, cost: number): void {
  lease.free -= cost;
  lease.spent += cost;
  lease.remaining -= cost;
}
