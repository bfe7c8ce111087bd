import type { Clock } from '../core/clock.ts';

/** Something that is due at a moment, which it may move at any time. */
export interface Deadlined {
  /** Milliseconds on the `Deadlines`' clock, `Infinity` for never. */
  deadline: number;
  /** Called once the deadline has passed, and again at each tick until it is moved. */
  onDeadline(): void;
}

const TICK_MS = 100;
/** A clock that is this far behind was not read for want of time: the event loop was blocked. */
const STALE_MS = 2 * TICK_MS;

/**
 * Watches the deadlines of many connections with one timer: coarse, so that moving a deadline is an assignment.
 * A deadline is met up to two ticks late, never early, also one that is set right after the event loop was blocked.
 */
export class Deadlines {
  /** Milliseconds on the injected clock, at the last tick or somewhat later. */
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

  /**
   * Takes the time from who has just read the clock. Without it, what begins after a blocked event loop and before the next
   * tick would have less time, by as long as that was. Within a tick `now` stays as it is.
   */
  refresh(now: number): void {
    if (now - this.now > STALE_MS) this.now = now;
  }

  /** Reads the clock: for what begins rarely. */
  look(): void {
    this.refresh(this.clock.monotonic());
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
