import type { Clock } from '../core/clock.ts';

interface Waiting {
  readonly owner: object;
  readonly limit: number;
  readonly admit: (isAdmitted: boolean) => void;
  readonly cancel: () => void;
}

interface Line {
  underWay: number;
  readonly waiting: Waiting[];
}

/** How many may be under way for one key, and how long how many others may wait for their turn. */
export interface GateSettings {
  readonly limit: number;
  readonly maxQueued: number;
  readonly maxWaitMs: number;
}

/**
 * Counts who is under way, by key, and lets others in as they leave, first come, first served. It outlives a configuration:
 * whoever came in by one leaves by the next, and the limit is that of whoever asks.
 */
export class ConcurrencyGate {
  private readonly clock: Clock;
  private readonly lines = new Map<string, Line>();
  private readonly keys = new Map<object, string>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Keys that somebody is under way for. */
  get size(): number {
    return this.lines.size;
  }

  /** Lets `owner` in and tells whether, at once or after its turn has come or its time is over. */
  enter(owner: object, key: string, settings: GateSettings): boolean | Promise<boolean> {
    // A limit that a route names twice, by one id, counts a request once.
    if (this.keys.has(owner)) return true;
    const line = this.lines.get(key);
    // A reload may have raised the limit; whoever waits comes before whoever comes.
    if (line !== undefined) admit(line, settings.limit);
    if (line === undefined || line.underWay < settings.limit) {
      this.admit(owner, key, line);
      return true;
    }
    if (line.waiting.length >= settings.maxQueued) return false;
    return new Promise((resolve) => {
      const cancel = this.clock.after(settings.maxWaitMs, () => {
        removeWaiting(line, owner);
        this.keys.delete(owner);
        resolve(false);
      });
      this.keys.set(owner, key);
      line.waiting.push({ owner, limit: settings.limit, admit: resolve, cancel });
    });
  }

  /** Counts `owner` without ever making it wait, and tells whether there would have been a place, under way or in the queue. */
  observe(owner: object, key: string, { limit, maxQueued }: GateSettings): boolean {
    if (this.keys.has(owner)) return true;
    const line = this.lines.get(key);
    if (line !== undefined && line.underWay + line.waiting.length >= limit + maxQueued) return false;
    this.admit(owner, key, line);
    return true;
  }

  /** Counts `owner` no longer, whether it is under way, waits, or has never come in. */
  leave(owner: object): void {
    const key = this.keys.get(owner);
    const line = key === undefined ? undefined : this.lines.get(key);
    if (key === undefined || line === undefined) return;
    this.keys.delete(owner);
    const waiting = removeWaiting(line, owner);
    if (waiting !== undefined) {
      waiting.cancel();
      waiting.admit(false);
      return;
    }
    line.underWay--;
    admit(line);
    if (line.underWay === 0) this.lines.delete(key);
  }

  private admit(owner: object, key: string, line: Line | undefined): void {
    this.keys.set(owner, key);
    if (line === undefined) this.lines.set(key, { underWay: 1, waiting: [] });
    else line.underWay++;
  }
}

/** Lets in whoever has waited longest, as long as there is room under `limit`; left out: under that of each. */
function admit(line: Line, limit?: number): void {
  for (let next = line.waiting[0]; next !== undefined; next = line.waiting[0]) {
    if (line.underWay >= (limit ?? next.limit)) return;
    line.waiting.shift();
    line.underWay++;
    next.cancel();
    next.admit(true);
  }
}

function removeWaiting(line: Line, owner: object): Waiting | undefined {
  const at = line.waiting.findIndex((waiting) => waiting.owner === owner);
  return at < 0 ? undefined : line.waiting.splice(at, 1)[0];
}
