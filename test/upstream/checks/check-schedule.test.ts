import { describe, expect, it } from 'vitest';
import { scheduleChecks } from '../../../src/upstream/checks/check-schedule.ts';
import type { HealthCheck } from '../../../src/upstream/checks/health-check.ts';
import { StubClock } from '../../observability/stub-clock.ts';

/** A schedule with a check that the test answers. */
function schedule(random = () => 0.5) {
  const clock = new StubClock();
  const startedAt: number[] = [];
  const results: (string | undefined)[] = [];
  let left = 0;
  let answer: (failure: string | undefined) => void = () => {};
  const check: HealthCheck = {
    run(onResult) {
      startedAt.push(clock.monotonic());
      answer = onResult;
      return () => left++;
    },
  };
  const settings = { intervalMs: 10_000, timeoutMs: 2000 };
  const stop = scheduleChecks(check, settings, clock, random, (failure) => results.push(failure));
  return { clock, startedAt, results, stop, answer: (failure?: string) => answer(failure), left: () => left };
}

describe('the schedule of checks', () => {
  it('checks soon, then once in an interval, counted from the result', () => {
    const { clock, startedAt, answer } = schedule();
    clock.advance(500);
    answer();
    clock.advance(9999);
    expect(startedAt).toEqual([500]);
    clock.advance(1);
    expect(startedAt).toEqual([500, 10_500]);
  });

  it('spreads intervals by a tenth either way', () => {
    for (const [random, expected] of [
      [0, 9000],
      [1, 11_000],
    ] as const) {
      const { clock, startedAt, answer } = schedule(() => random);
      clock.advance(random * 1000);
      answer();
      clock.advance(expected - 1);
      expect(startedAt).toHaveLength(1);
      clock.advance(1);
      expect(startedAt).toHaveLength(2);
    }
  });

  it('leaves a check that takes too long and counts it as failed', () => {
    const { clock, results, left } = schedule();
    clock.advance(500);
    clock.advance(2000);
    expect(results).toEqual(['no response within 2000 ms']);
    expect(left()).toBe(1);
  });

  it('ends when it is told to', () => {
    const { clock, startedAt, stop, left } = schedule();
    clock.advance(500);
    stop();
    clock.advance(60_000);
    expect(startedAt).toHaveLength(1);
    expect(left()).toBe(1);
  });

  it('waits with nothing but a timer: a thousand targets are a thousand timers', () => {
    const { clock, startedAt, answer } = schedule();
    for (let i = 0; i < 6; i++) {
      clock.advance(10_000);
      answer();
    }
    expect(startedAt.length).toBeLessThanOrEqual(6);
  });
});
