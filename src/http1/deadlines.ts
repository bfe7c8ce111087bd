import type { Clock } from '../core/clock.ts';

/** Something that is due at a moment, which it may move at any time. */
export interface Deadlined {
  /** Milliseconds on the `Deadlines`' clock, `Infinity` for never. */
  deadline: number;
  /** Called once the deadline has passed, and again at each tick until it is moved. */
  onDeadline(): void;
}

const TICK_MS = 100;

/**
 * Watches the deadlines of many connections with one timer: coarse, so that moving a deadline is an assignment.
 * A deadline is met up to two ticks late, never early.
 */
export class Deadlines {
  /** Milliseconds on the injected clock at the last tick. */
  now: number;
  private readonly clock: Clock;
  private readonly watched = new Set<Deadlined>();
  private readonly stop: () => void;

  constructor(clock: Clock) {
    this.clock = clock;
    this.now = clock.monotonic();
    this.stop = clock.every(TICK_MS, () => this.tick());
  }

  /** The moment `delayMs` from now. */
  after(delayMs: number): number {
    return this.now + delayMs + TICK_MS;
  }

  watch(item: Deadlined): void {
    this.watched.add(item);
  }

  forget(item: Deadlined): void {
    this.watched.delete(item);
  }

  close(): void {
    this.stop();
    this.watched.clear();
  }

  private tick(): void {
    this.now = this.clock.monotonic();
    for (const item of this.watched) {
      if (item.deadline <= this.now) item.onDeadline();
    }
  }
}
