import type { Clock } from '../../../src/core/clock.ts';

interface Timer {
  at: number;
  readonly delayMs: number;
  readonly repeats: boolean;
  readonly run: () => void;
}

/** A clock that moves only when told to, and tells when something is planned. */
export class ManualClock implements Clock {
  private time = 0;
  private readonly timers = new Set<Timer>();
  private waiting: { readonly delayMs: number; readonly resolve: () => void }[] = [];

  now(): number {
    return 1_700_000_000_000 + this.time;
  }

  monotonic(): number {
    return this.time;
  }

  every(intervalMs: number, run: () => void): () => void {
    return this.plan({ at: this.time + intervalMs, delayMs: intervalMs, repeats: true, run });
  }

  after(delayMs: number, run: () => void): () => void {
    return this.plan({ at: this.time + delayMs, delayMs, repeats: false, run });
  }

  /** Delays of what is planned now, shortest first. */
  planned(): number[] {
    return [...this.timers].map(({ delayMs }) => delayMs).sort((a, b) => a - b);
  }

  /** Resolves as soon as something is planned that has this delay. */
  async until(delayMs: number): Promise<void> {
    if (this.planned().includes(delayMs)) return;
    await new Promise<void>((resolve) => this.waiting.push({ delayMs, resolve }));
  }

  /** Waits until something with this delay is planned, then lets that time pass. */
  async pass(delayMs: number): Promise<void> {
    await this.until(delayMs);
    this.advance(delayMs);
  }

  /** Lets time pass, and runs what falls due in its order. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (let next = this.nextDue(end); next !== undefined; next = this.nextDue(end)) {
      this.time = next.at;
      if (next.repeats) next.at += next.delayMs;
      else this.timers.delete(next);
      next.run();
    }
    this.time = end;
  }

  private nextDue(end: number): Timer | undefined {
    const due = [...this.timers].filter(({ at }) => at <= end);
    return due.sort((a, b) => a.at - b.at)[0];
  }

  private plan(timer: Timer): () => void {
    this.timers.add(timer);
    const isMet = ({ delayMs }: { readonly delayMs: number }): boolean => delayMs === timer.delayMs;
    for (const { resolve } of this.waiting.filter(isMet)) resolve();
    this.waiting = this.waiting.filter((waiter) => !isMet(waiter));
    return () => void this.timers.delete(timer);
  }
}
