import type { Clock } from '../core/clock.ts';

interface Waiting {
  readonly since: number;
  readonly reject: (error: Error) => void;
}

/** Gives up on answers that do not come in time, with one timer for all: who waits longest is watched. */
export class CommandDeadlines {
  private readonly clock: Clock;
  private readonly timeoutMs: number;
  private readonly onLate: (error: Error) => void;
  /** In the order in which they began to wait. */
  private readonly waiting = new Set<Waiting>();
  private isArmed = false;

  /** `onLate` hears that an answer is late. It ends the waiting, with `rejectAll`. */
  constructor(clock: Clock, timeoutMs: number, onLate: (error: Error) => void) {
    this.clock = clock;
    this.timeoutMs = timeoutMs;
    this.onLate = onLate;
  }

  /** Settles as `answer` does, unless `rejectAll` comes before. */
  wait<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const entry: Waiting = { since: this.clock.monotonic(), reject };
      this.waiting.add(entry);
      if (!this.isArmed) this.arm(this.timeoutMs);
      answer.then(
        (reply) => {
          this.waiting.delete(entry);
          resolve(reply);
        },
        (error) => {
          this.waiting.delete(entry);
          reject(error);
        },
      );
    });
  }

  /** Ends all waiting. What is answered later is dropped. */
  rejectAll(error: Error): void {
    for (const { reject } of this.waiting) reject(error);
    this.waiting.clear();
  }

  private arm(delayMs: number): void {
    this.isArmed = true;
    this.clock.after(delayMs, () => this.look());
  }

  private look(): void {
    this.isArmed = false;
    const [oldest] = this.waiting;
    if (oldest === undefined) return;
    const leftMs = oldest.since + this.timeoutMs - this.clock.monotonic();
    if (leftMs > 0) return this.arm(Math.ceil(leftMs));
    this.onLate(new Error(`does not answer within ${this.timeoutMs} ms`));
  }
}
