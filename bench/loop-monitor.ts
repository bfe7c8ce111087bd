/** How long the event loop went without a turn, in milliseconds. */
export interface LoopDelays {
  /** By the clock: also what the system gave to other processes meanwhile. */
  readonly wallMs: readonly number[];
  /** By the CPU time of this thread: what it did in one go. */
  readonly busyMs: readonly number[];
}

/** Watches the event loop of this thread, which the watch keeps alive. */
export class LoopMonitor {
  private wall: number[] = [];
  private busy: number[] = [];
  private timer: NodeJS.Timeout | undefined = undefined;
  private lastWall = 0;
  private lastBusy = 0;

  start(): void {
    this.lastWall = performance.now();
    this.lastBusy = threadBusyMs();
    this.timer = setInterval(() => this.tick(), 1);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Gives what was seen since the last call. */
  take(): LoopDelays {
    const taken = { wallMs: this.wall.sort(byNumber), busyMs: this.busy.sort(byNumber) };
    this.wall = [];
    this.busy = [];
    return taken;
  }

  private tick(): void {
    const wall = performance.now();
    const busy = threadBusyMs();
    this.wall.push(wall - this.lastWall);
    this.busy.push(busy - this.lastBusy);
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
