import type { Clock } from '../../src/core/clock.ts';

/** A clock that moves only when told to. */
export class StubClock implements Clock {
  private time = 0;
  private readonly tasks = new Set<{ at: number; every: number | undefined; run: () => void }>();

  now(): number {
    return 1_700_000_000_000 + this.time;
  }

  monotonic(): number {
    return this.time;
  }

  every(intervalMs: number, run: () => void): () => void {
    return this.plan({ at: this.time + intervalMs, every: intervalMs, run });
  }

  after(delayMs: number, run: () => void): () => void {
    return this.plan({ at: this.time + delayMs, every: undefined, run });
  }

  advance(ms: number): void {
    this.time += ms;
    for (const task of [...this.tasks]) {
      if (task.at > this.time) continue;
      if (task.every === undefined) this.tasks.delete(task);
      else task.at = this.time + task.every;
      task.run();
    }
  }

  /** Lets time pass in which nothing runs, as while the event loop is blocked. */
  block(ms: number): void {
    this.time += ms;
  }

  private plan(task: { at: number; every: number | undefined; run: () => void }): () => void {
    this.tasks.add(task);
    return () => void this.tasks.delete(task);
  }
}
