import type { LimitAlgorithm, LimitCharge, LimitStanding } from '../core/stores/limit-store.ts';
import { bucket } from './bucket.ts';
import { fixedWindow } from './fixed-window.ts';
import { isOfFuture, type LimitCounting, type LimitState } from './limit-state.ts';
import { slidingWindow } from './sliding-window.ts';

const COUNTINGS: Readonly<Record<LimitAlgorithm, LimitCounting>> = {
  'token-bucket': bucket,
  'leaky-bucket': bucket,
  'fixed-window': fixedWindow,
  'sliding-window': slidingWindow,
};

/** Tells how an algorithm counts. */
export function countingOf({ rule }: LimitCharge): LimitCounting {
  return COUNTINGS[rule.algorithm];
}

/** What would become of one charge, if it is counted and if it is not. */
export interface ChargeDecision {
  /** The state without it, brought up to now. */
  readonly before: LimitState;
  /** The state with it. */
  readonly after: LimitState;
  /** Milliseconds until it would be within the limit, 0 for now. */
  readonly waitMs: number;
}

/** Decides about one charge by itself. `state` is what is kept of its counter. */
export function decideCharge(
  state: LimitState | undefined,
  charge: LimitCharge,
  now: number,
): ChargeDecision {
  const { rule, cost, period } = charge;
  const counting = countingOf(charge);
  const before = counting.age(presentOf(state, now), rule, now, period);
  const waitMs = cost <= 0 ? 0 : counting.waitMs(before, rule, cost, now, period);
  const after = waitMs > 0 || cost === 0 ? before : counting.add(before, rule, cost);
  return { before, after, waitMs };
}

/** Tells whether a decision rejects the request, and with it all other charges. */
export function refuses({ waitMs }: ChargeDecision, { isObserved }: LimitCharge): boolean {
  return waitMs > 0 && isObserved !== true;
}

/** Says how a counter stands after the decision about the whole request: `isCounted` tells whether it was let pass. */
export function standingOf(
  charge: LimitCharge,
  { before, after, waitMs }: ChargeDecision,
  isCounted: boolean,
  now: number,
): LimitStanding {
  const { rule, period } = charge;
  const counting = countingOf(charge);
  const state = isCounted ? after : before;
  return {
    isAllowed: waitMs === 0,
    remaining: counting.remaining(state, rule, now),
    resetMs: counting.resetMs(state, rule, now, period),
    retryAfterMs: waitMs,
    delayMs: isCounted && charge.cost > 0 && rule.maxDelayMs > 0 ? queueDelayMs(state, charge) : 0,
  };
}

function queueDelayMs({ used }: LimitState, { rule }: LimitCharge): number {
  return Math.max(0, Math.ceil((used - rule.burst * rule.windowMs) / rule.limit));
}

/** Counts a charge whatever the limit says. */
export function applyCharge(state: LimitState | undefined, charge: LimitCharge, now: number): LimitState {
  const { rule, cost, period } = charge;
  const counting = countingOf(charge);
  return counting.add(counting.age(presentOf(state, now), rule, now, period), rule, cost);
}

/** What a clock that was wrong has begun does not count: its period would last until the right clock gets there. */
function presentOf(state: LimitState | undefined, now: number): LimitState | undefined {
  return state !== undefined && isOfFuture(state, now) ? undefined : state;
}
