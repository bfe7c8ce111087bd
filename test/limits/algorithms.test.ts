import { describe, expect, it } from 'vitest';
import type { LimitAlgorithm, LimitCharge, LimitRule } from '../../src/core/stores/limit-store.ts';
import { applyCharge, decideCharge, standingOf } from '../../src/limits/decide.ts';
import type { LimitState } from '../../src/limits/limit-state.ts';
import { fc } from '../support/fast-check.ts';
import { type Counted, REFERENCE } from './reference-limits.ts';

const START = 1_800_000_000_000;

const rules: Readonly<Record<string, fc.Arbitrary<LimitRule>>> = {
  'token-bucket': ruleOf('token-bucket', fc.constant(0)),
  'leaky-bucket': ruleOf('leaky-bucket', fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3000 }))),
  'fixed-window': ruleOf('fixed-window', fc.constant(0)),
  'sliding-window': ruleOf('sliding-window', fc.constant(0)),
};

function ruleOf(algorithm: LimitAlgorithm, maxDelayMs: fc.Arbitrary<number>): fc.Arbitrary<LimitRule> {
  return fc.record({
    algorithm: fc.constant(algorithm),
    limit: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 100_000 })),
    windowMs: fc.constantFrom(1, 7, 1000, 60_000, 86_400_000),
    burst: fc.integer({ min: 1, max: 30 }),
    maxDelayMs,
  });
}

const steps = fc.array(
  fc.record({
    waitMs: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 100_000 })),
    cost: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 12 })),
  }),
  { maxLength: 60 },
);

describe.each(Object.keys(rules))('%s', (algorithm) => {
  const mayPass = REFERENCE[algorithm] as (typeof REFERENCE)[string];

  it('lets pass exactly what the reference model does', () => {
    fc.assert(
      fc.property(rules[algorithm] as fc.Arbitrary<LimitRule>, steps, (rule, requests) => {
        let state: LimitState | undefined;
        let now = START;
        const events: Counted[] = [];
        for (const { waitMs, cost } of requests) {
          now += waitMs;
          const decision = decideCharge(state, chargeOf(rule, cost), now);
          expect(decision.waitMs === 0).toBe(mayPass(events, rule, cost, now));
          if (decision.waitMs > 0) continue;
          state = decision.after;
          events.push({ at: now, cost });
        }
      }),
    );
  });

  it('says to the millisecond when a refused request would pass, and how many units would now', () => {
    fc.assert(
      fc.property(rules[algorithm] as fc.Arbitrary<LimitRule>, steps, (rule, requests) => {
        let state: LimitState | undefined;
        let now = START;
        const events: Counted[] = [];
        for (const { waitMs, cost } of requests) {
          now += waitMs;
          const charge = chargeOf(rule, cost);
          const decision = decideCharge(state, charge, now);
          const { retryAfterMs, remaining } = standingOf(charge, decision, decision.waitMs === 0, now);
          const then = decision.waitMs === 0 ? [...events, { at: now, cost }] : events;
          if (remaining > 0) expect(mayPass(then, rule, remaining, now)).toBe(true);
          expect(mayPass(then, rule, remaining + 1, now)).toBe(false);
          if (decision.waitMs === 0) {
            state = decision.after;
            events.push({ at: now, cost });
          } else if (isEverAllowed(rule, cost)) {
            expect(mayPass(events, rule, cost, now + retryAfterMs)).toBe(true);
            expect(mayPass(events, rule, cost, now + retryAfterMs - 1)).toBe(false);
          }
        }
      }),
    );
  });

  it('says when a counter is as new', () => {
    fc.assert(
      fc.property(rules[algorithm] as fc.Arbitrary<LimitRule>, steps, (rule, requests) => {
        let state: LimitState | undefined;
        let now = START;
        for (const { waitMs, cost } of requests) {
          now += waitMs;
          state = decideCharge(state, chargeOf(rule, cost), now).after;
        }
        const question = chargeOf(rule, 0);
        const asked = decideCharge(state, question, now);
        const { resetMs } = standingOf(question, asked, true, now);
        const later = decideCharge(asked.after, question, now + resetMs);
        const fresh = decideCharge(undefined, question, now + resetMs);
        expect(standingOf(question, later, true, now + resetMs)).toEqual(
          standingOf(question, fresh, true, now + resetMs),
        );
      }),
    );
  });

  it('holds nothing against a client when the clock goes backwards', () => {
    const rule = {
      algorithm: algorithm as LimitAlgorithm,
      limit: 3,
      windowMs: 1000,
      burst: 3,
      maxDelayMs: 0,
    };
    const state = applyCharge(undefined, chargeOf(rule, 1), START);
    const { waitMs, after } = decideCharge(state, chargeOf(rule, 1), START - 5000);
    expect(waitMs).toBe(0);
    expect(after.at).toBe(START);
  });

  it('counts afterwards whatever the limit says, hands back, and never beyond either end', () => {
    const rule = {
      algorithm: algorithm as LimitAlgorithm,
      limit: 3,
      windowMs: 1000,
      burst: 3,
      maxDelayMs: 0,
    };
    const over = applyCharge(undefined, chargeOf(rule, 1000), START);
    expect(decideCharge(over, chargeOf(rule, 1), START + 999).waitMs).toBeGreaterThan(0);
    const question = chargeOf(rule, 0);
    expect(standingOf(question, decideCharge(over, question, START), true, START).remaining).toBe(0);
    const back = applyCharge(over, chargeOf(rule, -998), START);
    expect(standingOf(question, decideCharge(back, question, START), true, START).remaining).toBe(1);
    const fresh = applyCharge(back, chargeOf(rule, -1_000_000), START);
    expect(standingOf(question, decideCharge(fresh, question, START), true, START).remaining).toBe(3);
    const most = applyCharge(undefined, chargeOf(rule, 1e15), START);
    expect(Number.isSafeInteger(applyCharge(most, chargeOf(rule, 1e15), START).used)).toBe(true);
  });
});

describe('the queue of a leaky bucket', () => {
  it('spaces requests evenly, whole numbers of milliseconds or not, and refuses beyond the longest delay', () => {
    const rule: LimitRule = {
      algorithm: 'leaky-bucket',
      limit: 3,
      windowMs: 1000,
      burst: 1,
      maxDelayMs: 1500,
    };
    let state: LimitState | undefined;
    const delays: number[] = [];
    for (let i = 0; i < 7; i++) {
      const charge = chargeOf(rule, 1);
      const decision = decideCharge(state, charge, START);
      const standing = standingOf(charge, decision, decision.waitMs === 0, START);
      delays.push(standing.isAllowed ? standing.delayMs : -standing.retryAfterMs);
      state = decision.after;
    }
    // Every 333⅓ ms, rounded up; what would be the sixth waits for its turn in the queue.
    expect(delays).toEqual([0, 334, 667, 1000, 1334, -167, -167]);
  });
});

describe('a period of the calendar', () => {
  const rule: LimitRule = { algorithm: 'fixed-window', limit: 2, windowMs: 1, burst: 2, maxDelayMs: 0 };
  const period = { startsAt: START, endsAt: START + 10_000 };

  it('holds to its end, whenever the first request comes', () => {
    const charge = { ...chargeOf(rule, 2), period };
    const decision = decideCharge(undefined, charge, START + 4000);
    expect(standingOf(charge, decision, true, START + 4000)).toMatchObject({
      isAllowed: true,
      resetMs: 6000,
    });
    const next = { ...chargeOf(rule, 1), period };
    expect(decideCharge(decision.after, next, START + 9999).waitMs).toBe(1);
    const later = { startsAt: period.endsAt, endsAt: period.endsAt + 10_000 };
    expect(decideCharge(decision.after, { ...next, period: later }, START + 10_000).waitMs).toBe(0);
  });

  it('is not begun again by a gateway whose clock is behind', () => {
    const now = period.endsAt + 5;
    const later = { startsAt: period.endsAt, endsAt: period.endsAt + 10_000 };
    const { after } = decideCharge(undefined, { ...chargeOf(rule, 2), period: later }, now);
    expect(decideCharge(after, { ...chargeOf(rule, 1), period }, now).waitMs).toBeGreaterThan(0);
  });
});

function chargeOf(rule: LimitRule, cost: number): LimitCharge {
  return { limit: 'orders/rate-limit', key: 'a', rule, cost };
}

/** Whether there is a time at which such a request would pass. */
function isEverAllowed({ algorithm, limit, burst, windowMs, maxDelayMs }: LimitRule, cost: number): boolean {
  if (algorithm.endsWith('-window')) return cost <= limit;
  return cost * windowMs <= burst * windowMs + maxDelayMs * limit;
}
