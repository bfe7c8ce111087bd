import type { Clock } from '../core/clock.ts';
import type { Counter, Log, Metrics } from '../core/services.ts';
import type { LimitCharge, LimitStanding, LimitStore } from '../core/stores/limit-store.ts';
import {
  applyCharge,
  type ChargeDecision,
  countingOf,
  decideCharge,
  refuses,
  standingOf,
} from '../limits/decide.ts';
import type { LimitState } from '../limits/limit-state.ts';
import { CounterSlots } from './counter-slots.ts';
import { LimitCounters, ownText } from './limit-counters.ts';
import type { QuotaJournal } from './quota-journal.ts';
import { type QuotaCounters, QuotaWriter, type UnsavedCounter } from './quota-writer.ts';

export interface MemoryLimitStoreOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Counters that are kept at most. Default: 1.2 million. */
  readonly maxCounters?: number;
  /** Counters of one limit at most, so that none can crowd out the others. Default: a million. */
  readonly maxCountersOfLimit?: number;
}

const SWEEP_MS = 100;
const SWEPT_AT_ONCE = 8192;
/** How many slots are looked at for one that is as new, when a new client comes and all are taken. */
const SWEPT_WHEN_FULL = 16;
const WARN_MS = 60_000;
/** No key of a request can be it. */
const OVERFLOW = '\0overflow';

/**
 * Keeps the counters of limits in this process. All is decided at once, without a promise.
 *
 * It is bounded: a counter goes only when it is as new, and so nothing is ever forgotten that counts. When all are taken,
 * clients that have none yet share one for each limit, which is counted and logged.
 */
export class MemoryLimitStore implements LimitStore, QuotaCounters {
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly overflows: Counter;
  private readonly maxCounters: number;
  private readonly maxCountersOfLimit: number;
  private readonly limits = new Map<string, LimitCounters>();
  private readonly slots = new CounterSlots();
  private readonly closers: (() => void)[];
  private writer: QuotaWriter | undefined = undefined;
  /** From the monotonic clock to the wall clock, so that time never runs backwards. */
  private epoch: number;
  private warnedAt = Number.NEGATIVE_INFINITY;

  constructor(options: MemoryLimitStoreOptions) {
    const { clock, metrics } = options;
    this.clock = clock;
    this.log = options.log;
    this.maxCounters = options.maxCounters ?? 1_200_000;
    this.maxCountersOfLimit = options.maxCountersOfLimit ?? 1_000_000;
    this.epoch = clock.now() - clock.monotonic();
    this.overflows = metrics.counter(
      'gateway_limit_overflows_total',
      'Requests of new clients that were counted together, since there was no room for a counter of their own.',
    );
    this.closers = [
      metrics.gauge('gateway_limit_counters', 'Counters of limits kept in memory.', {}, () => this.size),
      clock.every(SWEEP_MS, () => this.sweep()),
    ];
  }

  /** Counters kept now. */
  get size(): number {
    return this.slots.size;
  }

  charge(charges: readonly LimitCharge[]): readonly LimitStanding[] {
    const now = this.now();
    this.makeRoom(now);
    // Most requests have one limit.
    if (charges.length === 1) return [this.chargeAlone(charges[0] as LimitCharge, now)];
    const slots: (number | undefined)[] = [];
    const decisions: ChargeDecision[] = [];
    let isPassed = true;
    for (let i = 0; i < charges.length; i++) {
      const charge = charges[i] as LimitCharge;
      const slot = this.find(charge);
      const state = slot === undefined ? undefined : this.slots.read(slot);
      const decision = decideCharge(state, charge, this.timeOf(charge, now));
      if (refuses(decision, charge)) isPassed = false;
      slots.push(slot);
      decisions.push(decision);
    }
    const standings: LimitStanding[] = [];
    for (let i = 0; i < charges.length; i++) {
      const charge = charges[i] as LimitCharge;
      const decision = decisions[i] as ChargeDecision;
      if (isPassed && decision.after !== decision.before) this.put(charge, slots[i], decision.after, now);
      standings.push(standingOf(charge, decision, isPassed, this.timeOf(charge, now)));
    }
    return standings;
  }

  chargeAfterwards(charges: readonly LimitCharge[]): void {
    const now = this.now();
    this.makeRoom(now);
    for (const charge of charges) {
      const slot = this.find(charge);
      const state = slot === undefined ? undefined : this.slots.read(slot);
      this.put(charge, slot, applyCharge(state, charge, this.timeOf(charge, now)), now);
    }
  }

  /** Takes up the quotas of the last time, and keeps what becomes of them in `journal`, which it closes. */
  async keepIn(journal: QuotaJournal): Promise<void> {
    const kept = await journal.load(this.clock.now());
    const [now, wallNow] = [this.now(), this.clock.now()];
    for (const { limit, key, at, used, endsAt } of kept) {
      const counters = this.countersOf(limit);
      if (counters.find(key) !== undefined) continue;
      const slot = this.slots.take(counters, key);
      counters.add(key, slot);
      this.slots.write(slot, { at, used, former: 0 }, now + endsAt - wallNow);
      this.slots.noteWritten(slot, used);
    }
    this.writer = new QuotaWriter(journal, this, this.clock, this.log);
  }

  /** Why quotas cannot be written down, where they cannot be. */
  get problem(): string | undefined {
    return this.writer?.problem;
  }

  read({ slot, limit, key }: UnsavedCounter): ReturnType<QuotaCounters['read']> {
    // Unless its time came to an end meanwhile and the slot is another's.
    if (this.limits.get(limit)?.find(key) !== slot) return undefined;
    const endsAt = this.slots.expiryOf(slot) - this.now() + this.clock.now();
    return { ...this.slots.read(slot), written: this.slots.writtenOf(slot), endsAt };
  }

  /** What other gateways on the same file have counted counts here as well. */
  noteWritten(counter: UnsavedCounter, seen: LimitState, inFile: { at: number; used: number }): void {
    const { slot } = counter;
    const state = this.read(counter);
    if (state === undefined || state.at !== seen.at) return;
    const used = Math.max(0, state.used + inFile.used - seen.used);
    this.slots.write(slot, { at: inFile.at, used, former: 0 }, this.slots.expiryOf(slot));
    this.slots.noteWritten(slot, inFile.used);
  }

  /** Writes down what is not yet, and ends. */
  async close(): Promise<void> {
    for (const close of this.closers.splice(0)) close();
    const { writer } = this;
    this.writer = undefined;
    await writer?.close();
  }

  private chargeAlone(charge: LimitCharge, now: number): LimitStanding {
    const slot = this.find(charge);
    const at = this.timeOf(charge, now);
    const decision = decideCharge(slot === undefined ? undefined : this.slots.read(slot), charge, at);
    const isPassed = !refuses(decision, charge);
    if (decision.after !== decision.before) this.put(charge, slot, decision.after, now);
    return standingOf(charge, decision, isPassed, at);
  }

  private now(): number {
    return Math.floor(this.epoch + this.clock.monotonic());
  }

  /** Periods are those of the wall clock, also of one that was put back. */
  private timeOf({ period }: LimitCharge, now: number): number {
    return period === undefined ? now : this.clock.now();
  }

  /** Only before anything is looked up: what is found must not be taken away again. */
  private makeRoom(now: number): void {
    if (this.slots.size >= Math.min(this.maxCounters, this.maxCountersOfLimit))
      this.slots.sweep(SWEPT_WHEN_FULL, now);
  }

  private find({ limit, key }: LimitCharge): number | undefined {
    const counters = this.limits.get(limit);
    const own = counters?.find(key);
    if (own !== undefined || !this.isFull(counters)) return own;
    this.noteOverflow();
    return counters?.find(OVERFLOW);
  }

  private put(charge: LimitCharge, found: number | undefined, state: LimitState, now: number): void {
    const slot = found ?? this.add(charge);
    const { rule, period } = charge;
    if (period === undefined) {
      this.slots.write(slot, state, now + countingOf(charge).resetMs(state, rule, now, period));
      return;
    }
    const endsAt = now + Math.max(0, period.endsAt - this.clock.now());
    // What a request of the period before cost may be known only in this one.
    const isOfLaterPeriod = found !== undefined && state.at > period.startsAt;
    this.slots.write(slot, state, isOfLaterPeriod ? this.slots.expiryOf(slot) : endsAt);
    this.writer?.note(slot, charge.limit, this.slots.keyOf(slot));
  }

  private add({ limit, key }: LimitCharge): number {
    const own = this.isFull(this.limits.get(limit)) ? OVERFLOW : ownText(key);
    const counters = this.countersOf(limit);
    const slot = this.slots.take(counters, own);
    counters.add(own, slot);
    return slot;
  }

  private isFull(counters: LimitCounters | undefined): boolean {
    return (counters?.size ?? 0) >= this.maxCountersOfLimit || this.slots.size >= this.maxCounters;
  }

  private countersOf(limit: string): LimitCounters {
    let counters = this.limits.get(limit);
    if (counters === undefined) {
      counters = new LimitCounters(limit, (name) => this.limits.delete(name));
      this.limits.set(limit, counters);
    }
    return counters;
  }

  private noteOverflow(): void {
    this.overflows.add();
    const now = this.clock.monotonic();
    if (now - this.warnedAt < WARN_MS) return;
    this.warnedAt = now;
    const counters = this.size;
    this.log.warn({ counters }, 'no room for more counters of limits; new clients share one for each limit');
  }

  private sweep(): void {
    // Sleep of the machine stops the monotonic clock; only forwards is it put right.
    this.epoch = Math.max(this.epoch, this.clock.now() - this.clock.monotonic());
    this.slots.sweep(SWEPT_AT_ONCE, this.now());
  }
}
