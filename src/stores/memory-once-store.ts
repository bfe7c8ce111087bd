import type { Clock } from '../core/clock.ts';
import type { OnceStore, OnceVerdict } from '../core/stores/once-store.ts';

/** Names of the last while: some 40 MB when full. */
const MAX_NAMES = 500_000;

/**
 * Remembers names in this process, each at least as long as it was asked to. In two generations, so that forgetting costs
 * nothing: one that is full grown is dropped as a whole.
 */
export class MemoryOnceStore implements OnceStore {
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly maxNames: number;
  private young = new Set<string>();
  private old = new Set<string>();
  private bornAt = Number.NEGATIVE_INFINITY;
  /** The longest time that was asked for, which then holds for all. */
  private retentionMs = 0;

  constructor(clock: Pick<Clock, 'monotonic'>, maxNames = MAX_NAMES) {
    this.clock = clock;
    this.maxNames = maxNames;
  }

  note(name: string, keepForMs: number): OnceVerdict {
    this.age(keepForMs);
    if (this.young.has(name) || this.old.has(name)) return 'seen';
    if (this.young.size + this.old.size >= this.maxNames) return 'full';
    this.young.add(name);
    return 'new';
  }

  private age(keepForMs: number): void {
    this.retentionMs = Math.max(this.retentionMs, keepForMs);
    const now = this.clock.monotonic();
    const age = now - this.bornAt;
    if (age < this.retentionMs) return;
    this.old = age < 2 * this.retentionMs ? this.young : new Set();
    this.young = new Set();
    this.bornAt = now;
  }
}
