import type { LimitPeriod, LimitRule } from '../core/stores/limit-store.ts';

/**
 * What is kept of one counter: three whole numbers, whose meaning the algorithm knows.
 *
 * Buckets: `used` is their content in units × `windowMs`, as of `at`, so that a millisecond drains exactly `limit` and
 * nothing is ever rounded. Windows: `used` are the units of the window that began at `at`, `former` those of the one
 * before, which only the sliding window looks at.
 */
export interface LimitState {
  readonly at: number;
  readonly used: number;
  readonly former: number;
}

/** How one algorithm counts. All times are whole milliseconds of one clock; a state is always one that `age` gave. */
export interface LimitCounting {
  /** Brings a state up to now. `undefined`: nothing has been counted yet. */
  age(
    state: LimitState | undefined,
    rule: LimitRule,
    now: number,
    period: LimitPeriod | undefined,
  ): LimitState;
  /** Adds units, or takes them off where `cost` is negative. */
  add(state: LimitState, rule: LimitRule, cost: number): LimitState;
  /** Milliseconds until `cost` more units would be within the limit, 0 for now; where they never will be, until the counter is as new. */
  waitMs(
    state: LimitState,
    rule: LimitRule,
    cost: number,
    now: number,
    period: LimitPeriod | undefined,
  ): number;
  /** Units that would be within the limit now. */
  remaining(state: LimitState, rule: LimitRule, now: number): number;
  /** Milliseconds until the counter is as new, if nothing is counted until then. */
  resetMs(state: LimitState, rule: LimitRule, now: number, period: LimitPeriod | undefined): number;
}

/** Above it whole numbers of 64-bit floating point have gaps, in JavaScript and in Lua. */
export const LARGEST = Number.MAX_SAFE_INTEGER;

/** How far a clock may be behind the one by which something was counted, in milliseconds. */
export const MOST_BEHIND_MS = 600_000;

/** Tells whether a state was counted by a clock that was ahead by more than clocks may differ, and so was wrong. */
export function isOfFuture({ at }: LimitState, now: number): boolean {
  return at > now + MOST_BEHIND_MS;
}
