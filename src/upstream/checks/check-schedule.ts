import type { Clock } from '../../core/clock.ts';
import { type CheckResult, type HealthCheck, NO_VERDICT } from './health-check.ts';

export interface CheckScheduleSettings {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** By how much of itself an interval is longer or shorter, so that many gateways and targets spread out. */
const JITTER = 0.1;
/** The first check comes soon, at a random moment within this time. */
const FIRST_WITHIN_MS = 1000;

/** Runs a check again and again, one at a time. Returns a function that ends it. */
export function scheduleChecks(
  check: HealthCheck,
  { intervalMs, timeoutMs }: CheckScheduleSettings,
  clock: Clock,
  random: () => number,
  onResult: (failure: string | undefined) => void,
): () => void {
  let stopTimer: () => void = () => {};
  let stopCheck: () => void = () => {};
  const start = (): void => {
    stopCheck();
    const finish = (failure: CheckResult): void => {
      stopTimer();
      plan(intervalMs * (1 - JITTER + 2 * JITTER * random()));
      if (failure !== NO_VERDICT) onResult(failure);
    };
    stopTimer = clock.after(timeoutMs, () => {
      stopCheck();
      finish(`no response within ${timeoutMs} ms`);
    });
    stopCheck = check.run(finish);
  };
  const plan = (delayMs: number): void => {
    stopTimer = clock.after(delayMs, start);
  };
  plan(random() * Math.min(FIRST_WITHIN_MS, intervalMs));
  return () => {
    stopTimer();
    stopCheck();
  };
}
