export interface BreakerSettings {
  /** Share of requests that must fail, 0 to 1. */
  readonly failureRate: number;
  /** Requests in the window below which nothing is decided. */
  readonly minimumRequests: number;
  readonly windowMs: number;
  /** How long no request passes. */
  readonly openForMs: number;
}

export type BreakerState =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; readonly until: number }
  | { readonly kind: 'half-open'; readonly passed: Set<object>; readonly probes: Set<object> };

/** Requests that must succeed, at most so many at a time, before all pass again. */
const PROBES = 3;
const BUCKETS = 10;
const CLOSED: BreakerState = { kind: 'closed' };

/**
 * Keeps requests from an upstream that fails anyway. *Closed*: all pass, and outcomes are counted over a sliding
 * window. *Open*, when too many of them fail: none passes for a while. *Half-open*: a few probes pass; if they succeed
 * it closes, if one fails it opens again.
 */
export class CircuitBreaker {
  state: BreakerState = CLOSED;
  private readonly settings: BreakerSettings;
  private readonly bucketMs: number;
  private readonly totals = new Uint32Array(BUCKETS);
  private readonly failures = new Uint32Array(BUCKETS);
  private bucket = 0;
  private total = 0;
  private failed = 0;

  constructor(settings: BreakerSettings) {
    this.settings = settings;
    this.bucketMs = settings.windowMs / BUCKETS;
  }

  /** Tells whether a request may pass. `who` stands for it until `record` or `abandon`. */
  admit(who: object, now: number): boolean {
    if (this.state.kind === 'closed') return true;
    if (this.state.kind === 'open') {
      if (now < this.state.until) return false;
      this.state = { kind: 'half-open', passed: new Set(), probes: new Set() };
    }
    const { probes, passed } = this.state;
    if (probes.size + passed.size >= PROBES && !probes.has(who)) return false;
    probes.add(who);
    return true;
  }

  /** Takes the outcome of a request. Those that began before the breaker opened say nothing about a probe. */
  record(who: object, isFailure: boolean, now: number): void {
    const { state } = this;
    if (state.kind === 'closed') return this.count(isFailure, now);
    if (state.kind === 'open' || !state.probes.delete(who)) return;
    if (isFailure) return this.open(now);
    state.passed.add(who);
    if (state.passed.size >= PROBES) this.close();
  }

  /** Takes back the success that was recorded at `recordedAt`: the response broke after it had begun. */
  retract(who: object, recordedAt: number, now: number): void {
    const { state } = this;
    if (state.kind === 'half-open' && state.passed.has(who)) return this.open(now);
    if (state.kind !== 'closed') return;
    this.rotateTo(now);
    const bucket = Math.floor(recordedAt / this.bucketMs);
    const at = bucket % BUCKETS;
    const isKnown =
      this.bucket - bucket < BUCKETS && (this.failures[at] as number) < (this.totals[at] as number);
    if (isKnown) this.countFailure(at, now);
    else this.count(true, now);
  }

  /** Forgets a request that had no outcome, since the client left, say. */
  abandon(who: object): void {
    if (this.state.kind === 'half-open') this.state.probes.delete(who);
  }

  private count(isFailure: boolean, now: number): void {
    this.rotateTo(now);
    const at = this.bucket % BUCKETS;
    this.total++;
    (this.totals[at] as number)++;
    if (isFailure) this.countFailure(at, now);
  }

  private countFailure(at: number, now: number): void {
    this.failed++;
    (this.failures[at] as number)++;
    const { minimumRequests, failureRate } = this.settings;
    if (this.total >= minimumRequests && this.failed >= failureRate * this.total) this.open(now);
  }

  /** Empties the buckets that have left the window. */
  private rotateTo(now: number): void {
    const bucket = Math.floor(now / this.bucketMs);
    if (bucket === this.bucket) return;
    const passed = Math.min(bucket - this.bucket, BUCKETS);
    for (let i = 1; i <= passed; i++) {
      const at = (this.bucket + i) % BUCKETS;
      this.total -= this.totals[at] as number;
      this.failed -= this.failures[at] as number;
      this.totals[at] = 0;
      this.failures[at] = 0;
    }
    this.bucket = bucket;
  }

  private open(now: number): void {
    this.state = { kind: 'open', until: now + this.settings.openForMs };
    this.totals.fill(0);
    this.failures.fill(0);
    this.total = 0;
    this.failed = 0;
  }

  private close(): void {
    this.state = CLOSED;
  }
}
