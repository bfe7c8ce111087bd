import type { LimitRule } from '../../src/core/stores/limit-store.ts';

/** Something counted: so many units at a moment. */
export interface Counted {
  readonly at: number;
  readonly cost: number;
}

/**
 * What each algorithm promises, said as slowly and obviously as possible, in exact fractions over all that was counted so
 * far. Each model answers one question: may `cost` more units pass at `now`?
 */
export const REFERENCE: Readonly<
  Record<string, (events: readonly Counted[], rule: LimitRule, cost: number, now: number) => boolean>
> = {
  'token-bucket': (events, rule, cost, now) =>
    tokensAt(events, rule, now) >= BigInt(cost) * BigInt(rule.windowMs),
  'leaky-bucket': (events, rule, cost, now) =>
    tokensAt(events, rule, now) + BigInt(rule.maxDelayMs) * BigInt(rule.limit) >=
    BigInt(cost) * BigInt(rule.windowMs),
  'fixed-window': (events, rule, cost, now) => {
    const start = windowStarts(events, rule).at(-1);
    if (start === undefined || now >= start + rule.windowMs) return cost <= rule.limit;
    return sumWithin(events, start, start + rule.windowMs) + cost <= rule.limit;
  },
  'sliding-window': (events, rule, cost, now) => {
    const start = slidingStart(events, rule, now);
    const { windowMs, limit } = rule;
    const present = sumWithin(events, start, start + windowMs);
    const former = sumWithin(events, start - windowMs, start);
    const overlap = BigInt(start + windowMs - now);
    return (
      BigInt(former) * overlap + BigInt(present + cost) * BigInt(windowMs) <= BigInt(limit) * BigInt(windowMs)
    );
  },
};

/** Tokens in the bucket in 1/windowMs of one: full at first, then millisecond by millisecond. */
function tokensAt(events: readonly Counted[], { limit, windowMs, burst }: LimitRule, now: number): bigint {
  const full = BigInt(burst) * BigInt(windowMs);
  let tokens = full;
  let at = events[0]?.at ?? now;
  for (const event of [...events, { at: now, cost: 0 }]) {
    tokens += BigInt(event.at - at) * BigInt(limit);
    if (tokens > full) tokens = full;
    tokens -= BigInt(event.cost) * BigInt(windowMs);
    at = event.at;
  }
  return tokens;
}

/** Windows that begin with the first request after the one before has ended. */
function windowStarts(events: readonly Counted[], { windowMs }: LimitRule): number[] {
  const starts: number[] = [];
  for (const { at } of events) {
    const last = starts.at(-1);
    if (last === undefined || at >= last + windowMs) starts.push(at);
  }
  return starts;
}

/** Windows that follow each other without a gap, until two in a row were empty. */
function slidingStart(events: readonly Counted[], { windowMs }: LimitRule, now: number): number {
  let start: number | undefined;
  for (const at of [...events.map((event) => event.at), now]) {
    if (start === undefined || at >= start + 2 * windowMs) start = at;
    else if (at >= start + windowMs) start += windowMs;
  }
  return start as number;
}

function sumWithin(events: readonly Counted[], from: number, to: number): number {
  let sum = 0;
  for (const { at, cost } of events) if (at >= from && at < to) sum += cost;
  return sum;
}
