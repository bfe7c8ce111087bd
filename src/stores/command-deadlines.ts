import type { Clock } from '../core/clock.ts';

interface Waiting {
  /** How long we had waited for answers when this one began to wait. */
  readonly since: number;
  readonly reject: (error: Error) => void;
}

/** In how many parts the time is waited for. */
const PARTS = 4;

/**
 * Gives up on answers that do not come in time, with one timer for all: who waits longest is watched. Time in which this
 * process stood still is its own lateness and not the server's: of each part no more counts than it should have taken,
 * and half as much again, so that several turns of the event loop must pass without a response.
 */
export class CommandDeadlines {
  private readonly clock: Clock;
  private readonly timeoutMs: number;
  private readonly onTimeout: (error: Error) => void;
  /** In the order in which they began to wait. */
  private readonly waiting = new Set<Waiting>();
  private isArmed = false;
  /** Milliseconds that count as waited, and when they were last added to. */
  private waitedMs = 0;
  private lookedAt = 0;

  /** `onTimeout` hears that a response is late. It ends the waiting, with `rejectAll`. */
  constructor(clock: Clock, timeoutMs: number, onTimeout: (error: Error) => void) {
    this.clock = clock;
    this.timeoutMs = timeoutMs;
    this.onTimeout = onTimeout;
  }

  /** Settles as `answer` does, unless `rejectAll` comes before. */
  wait<T>(response: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.isArmed) this.arm(this.partMs);
      const entry: Waiting = { since: this.waitedMs + this.sinceLook(), reject };
      this.waiting.add(entry);
      response.then(
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

  private get partMs(): number {
    return Math.ceil(this.timeoutMs / PARTS);
  }

  private sinceLook(): number {
    return Math.min(this.clock.monotonic() - this.lookedAt, this.partMs * 1.5);
  }

  private arm(delayMs: number): void {
    this.isArmed = true;
    this.lookedAt = this.clock.monotonic();
    this.clock.after(delayMs, () => this.look());
  }

  private look(): void {
    this.isArmed = false;
    this.waitedMs += this.sinceLook();
    const [oldest] = this.waiting;
    if (oldest === undefined) return;
    const leftMs = oldest.since + this.timeoutMs - this.waitedMs;
    if (leftMs > 0) return this.arm(Math.min(this.partMs, Math.ceil(leftMs)));
    this.onTimeout(new Error(`does not respond within ${this.timeoutMs} ms`));
  }
}
