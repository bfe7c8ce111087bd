import type { Clock } from '../core/clock.ts';

const TICK_MS = 50;

/**
 * Measures how late the event loop is, and rejects requests when it is too late: none up to `maxDelayMs`, all from
 * twice that on, a growing share of them between. What is rejected at once leaves time for the rest.
 */
export class LoadShedder {
  private readonly maxDelayMs: number;
  private readonly random: () => number;
  private readonly stop: () => void;
  private lastTick: number;
  private averageMs = 0;

  constructor(maxDelayMs: number, clock: Clock, random: () => number) {
    this.maxDelayMs = maxDelayMs;
    this.random = random;
    this.lastTick = clock.monotonic();
    this.stop = clock.every(TICK_MS, () => {
      const now = clock.monotonic();
      this.take(now - this.lastTick - TICK_MS);
      this.lastTick = now;
    });
  }

  /** Tells whether the request at hand is to be rejected. */
  refuses(): boolean {
    const excess = this.averageMs - this.maxDelayMs;
    return excess > 0 && this.random() * this.maxDelayMs < excess;
  }

  close(): void {
    this.stop();
  }

  /** A single pause, as for a collection of garbage, counts half, and fades within a few ticks. */
  private take(delayMs: number): void {
    this.averageMs = (this.averageMs + Math.max(0, delayMs)) / 2;
  }
}
