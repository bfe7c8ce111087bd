import { describe, expect, it } from 'vitest';
import { RetryBudget } from '../../src/upstream/budget.ts';
import { CheckVerdict } from '../../src/upstream/check-verdict.ts';
import { Ejection } from '../../src/upstream/ejection.ts';
import { fc } from '../support/fast-check.ts';

describe('the verdict of active checks', () => {
  it('changes exactly when so many checks in a row contradict it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { maxLength: 60 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        (checks, healthyAfter, unhealthyAfter) => {
          const verdict = new CheckVerdict({ healthyAfter, unhealthyAfter });
          let isDown = false;
          checks.forEach((passes, i) => {
            verdict.take(passes ? undefined : 'status 500');
            const needed = isDown ? healthyAfter : unhealthyAfter;
            const last = checks.slice(Math.max(0, i + 1 - needed), i + 1);
            if (last.length === needed && last.every((each) => each === isDown)) isDown = !isDown;
            expect(verdict.state.kind === 'down').toBe(isDown);
          });
        },
      ),
    );
  });

  it('says why a target is down', () => {
    const verdict = new CheckVerdict({ healthyAfter: 2, unhealthyAfter: 2 });
    verdict.take('status 500');
    verdict.take('no response within 2 s');
    expect(verdict.state).toEqual({
      kind: 'down',
      reason: '2 checks failed, the last one: no response within 2 s',
    });
  });
});

describe('ejection', () => {
  it('lasts from once to sixteen times the first time, whatever happens', () => {
    const event = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 100_000 }));
    fc.assert(
      fc.property(fc.array(event, { maxLength: 100 }), (events) => {
        const ejection = new Ejection({ failures: 2, ejectForMs: 1000 });
        let now = 0;
        for (const [fails, wait] of events) {
          now += wait;
          if (!fails) ejection.succeed();
          else if (ejection.fail()) {
            const durationMs = ejection.eject(now, 'status 503');
            expect(durationMs).toBeGreaterThanOrEqual(1000);
            expect(durationMs).toBeLessThanOrEqual(16_000);
            expect(ejection.fail()).toBe(false);
            now += durationMs;
            ejection.readmit(now);
          }
          expect(ejection.state.kind).toBe('in');
        }
      }),
    );
  });
});

describe('the retry budget', () => {
  it('allows three at a time, and a share of the requests under way', () => {
    const budget = new RetryBudget(0.2);
    expect([1, 2, 3, 4].map(() => budget.tryTake(5))).toEqual([true, true, true, false]);
    expect(budget.tryTake(20)).toBe(true);
    expect(budget.tryTake(20)).toBe(false);
    budget.release();
    expect(budget.tryTake(20)).toBe(true);
  });
});
