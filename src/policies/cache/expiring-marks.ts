import type { Clock } from '../../core/clock.ts';

/**
 * Remembers keys, each for a time, within a bound. Once the young half is full it becomes the old one, whose keys are
 * dropped together: dropping the oldest key of a `Map` each time would walk over all that were dropped before it.
 */
export class ExpiringMarks {
  private readonly clock: Pick<Clock, 'now'>;
  private readonly longestMs: number;
  private readonly maxOfHalf: number;
  private young = new Map<string, number>();
  private old = new Map<string, number>();

  /** Keeps up to `max` keys. None is kept for more than `longestMs`, even if the clock is put back. */
  constructor(clock: Pick<Clock, 'now'>, longestMs: number, max: number) {
    this.clock = clock;
    this.longestMs = longestMs;
    this.maxOfHalf = Math.ceil(max / 2);
  }

  has(key: string): boolean {
    const until = this.young.get(key) ?? (this.old.size === 0 ? undefined : this.old.get(key));
    if (until === undefined) return false;
    const now = this.clock.now();
    if (until > now && until <= now + this.longestMs) return true;
    this.delete(key);
    return false;
  }

  /** Marks `key` for the next `forMs` milliseconds. */
  add(key: string, forMs: number): void {
    if (this.young.size >= this.maxOfHalf) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, this.clock.now() + forMs);
  }

  delete(key: string): void {
    if (this.young.size > 0) this.young.delete(key);
    if (this.old.size > 0) this.old.delete(key);
  }
}
