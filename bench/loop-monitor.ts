import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';

/** How long the event loop went without a turn, in milliseconds. */
export interface LoopDelays {
  /** By the clock: also what the system gave to other processes meanwhile. */
  readonly wallMs: readonly number[];
  /** By the CPU time of this thread: what it did in one go. */
  readonly busyMs: readonly number[];
  /** How long of the busiest stretch garbage was collected, by the clock. */
  readonly collectingMs: number;
}

interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** Watches the event loop of this thread, which the watch keeps alive. */
export class LoopMonitor {
  private readonly observer = new PerformanceObserver((list) => this.collections.push(...list.getEntries()));
  private collections: PerformanceEntry[] = [];
  private busiest: Stretch = { from: 0, to: 0 };
  private mostBusy = 0;
  private wall: number[] = [];
  private busy: number[] = [];
  private timer: NodeJS.Timeout | undefined = undefined;
  private lastWall = 0;
  private lastBusy = 0;

  start(): void {
    this.lastWall = performance.now();
    this.lastBusy = threadBusyMs();
    this.timer = setInterval(() => this.tick(), 1);
    this.observer.observe({ entryTypes: ['gc'] });
  }

  stop(): void {
    clearInterval(this.timer);
    this.observer.disconnect();
  }

  /** Gives what was seen since the last call. */
  take(): LoopDelays {
    const { from, to } = this.busiest;
    const within = this.collections.filter(({ startTime }) => startTime >= from && startTime <= to);
    const collectingMs = within.reduce((sum, { duration }) => sum + duration, 0);
    const taken = { wallMs: this.wall.sort(byNumber), busyMs: this.busy.sort(byNumber), collectingMs };
    this.wall = [];
    this.busy = [];
    this.collections = [];
    this.mostBusy = 0;
    return taken;
  }

  private tick(): void {
    const wall = performance.now();
    const busy = threadBusyMs();
    this.wall.push(wall - this.lastWall);
    this.busy.push(busy - this.lastBusy);
    if (busy - this.lastBusy > this.mostBusy) {
      this.mostBusy = busy - this.lastBusy;
      this.busiest = { from: this.lastWall, to: wall };
    }
    this.lastWall = wall;
    this.lastBusy = busy;
  }
}

const byNumber = (a: number, b: number): number => a - b;

function threadBusyMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Returns the value below which `share` of the sorted values lie. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
