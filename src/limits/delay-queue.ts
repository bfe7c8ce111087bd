import type { Clock } from '../core/clock.ts';

interface Waiting {
  readonly owner: object;
  dueAt: number;
  readonly spacingMs: number;
  readonly release: () => void;
}

/** Holds requests back, each until its time, those of one counter in the order in which they came. */
export class DelayQueue {
  private readonly clock: Clock;
  private readonly lines = new Map<string, { waiting: Waiting[]; cancel: () => void }>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Calls `release` after `delayMs`. `spacingMs` is the room that this request takes before the next one. */
  add(line: string, owner: object, delayMs: number, spacingMs: number, release: () => void): void {
    const dueAt = this.clock.monotonic() + delayMs;
    const found = this.lines.get(line);
    if (found !== undefined) {
      // Whole milliseconds may bring two so close that a timer could turn them around.
      const last = found.waiting.at(-1)?.dueAt ?? dueAt;
      found.waiting.push({ owner, dueAt: Math.max(last, dueAt), spacingMs, release });
      return;
    }
    const waiting = [{ owner, dueAt, spacingMs, release }];
    this.lines.set(line, { waiting, cancel: this.wake(line, delayMs) });
  }

  /** Takes out who no longer wants to wait. Those behind move up. Tells whether it was waiting. */
  leave(line: string, owner: object): boolean {
    const found = this.lines.get(line);
    const at = found?.waiting.findIndex((waiting) => waiting.owner === owner) ?? -1;
    if (found === undefined || at < 0) return false;
    const [gone] = found.waiting.splice(at, 1) as [Waiting];
    for (const behind of found.waiting.slice(at)) behind.dueAt -= gone.spacingMs;
    this.plan(line);
    return true;
  }

  private plan(line: string): void {
    const found = this.lines.get(line);
    if (found === undefined) return;
    found.cancel();
    const [first] = found.waiting;
    if (first === undefined) this.lines.delete(line);
    else found.cancel = this.wake(line, Math.max(0, Math.ceil(first.dueAt - this.clock.monotonic())));
  }

  private wake(line: string, delayMs: number): () => void {
    return this.clock.after(delayMs, () => {
      const waiting = this.lines.get(line)?.waiting ?? [];
      const now = this.clock.monotonic();
      const due: Waiting[] = [];
      // Timers are early by a fraction of a millisecond at times.
      while (waiting[0] !== undefined && waiting[0].dueAt <= now + 1) due.push(waiting.shift() as Waiting);
      this.plan(line);
      for (const { release } of due) release();
    });
  }
}
