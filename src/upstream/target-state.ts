import type { Clock } from '../core/clock.ts';
import { type CheckThresholds, CheckVerdict } from './check-verdict.ts';
import { Ejection, type EjectionSettings } from './ejection.ts';
import { Latency } from './latency.ts';

export interface TargetStateSettings extends EjectionSettings, CheckThresholds {}

/** Why a target gets no requests, or that it does. */
export type TargetHealth =
  | { readonly kind: 'healthy' }
  | { readonly kind: 'ejected'; readonly reason: string }
  | { readonly kind: 'down'; readonly reason: string };

const HEALTHY: TargetHealth = { kind: 'healthy' };

/** What changes about a target at run time. It outlives reloads, so several Snapshots may share it. */
export class TargetState {
  activeRequests = 0;
  readonly latency = new Latency();
  readonly ejection: Ejection;
  readonly checks: CheckVerdict;
  /** Since when it gets requests; minus infinity where it always did. */
  healthySince = Number.NEGATIVE_INFINITY;
  isHealthy = true;
  private readonly clock: Clock;
  private readonly listeners = new Set<() => void>();
  private stopWaiting: () => void = () => {};

  constructor(settings: TargetStateSettings, clock: Clock) {
    this.ejection = new Ejection(settings);
    this.checks = new CheckVerdict(settings);
    this.clock = clock;
  }

  get health(): TargetHealth {
    const check = this.checks.state;
    if (check.kind === 'down') return check;
    const ejection = this.ejection.state;
    return ejection.kind === 'out' ? { kind: 'ejected', reason: ejection.reason } : HEALTHY;
  }

  /** How little is to be hoped of a target that is out: the longer ago requests failed the less; most where checks fail. */
  get outRank(): number {
    if (this.checks.state.kind === 'down') return Number.POSITIVE_INFINITY;
    return this.ejection.state.since;
  }

  /** Calls `listener` whenever the health changes. Returns a function that ends it. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Puts the target out for a while because of what requests met. */
  eject(lastFailure: string): void {
    const durationMs = this.ejection.eject(this.clock.monotonic(), lastFailure);
    this.stopWaiting = this.clock.after(durationMs, () => {
      this.ejection.readmit(this.clock.monotonic());
      this.update();
    });
    this.update();
  }

  /** Takes what an active check found: why it failed, or `undefined`. */
  takeCheck(failure: string | undefined): void {
    if (this.checks.take(failure)) this.update();
  }

  /** Says that the target is new, so that it starts slowly. */
  welcome(): void {
    this.healthySince = this.clock.monotonic();
  }

  close(): void {
    this.stopWaiting();
    this.listeners.clear();
  }

  private update(): void {
    const isHealthy = this.health.kind === 'healthy';
    if (isHealthy === this.isHealthy) return;
    this.isHealthy = isHealthy;
    if (isHealthy) this.healthySince = this.clock.monotonic();
    for (const listener of this.listeners) listener();
  }
}
