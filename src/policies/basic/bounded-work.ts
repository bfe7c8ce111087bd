/** Runs slow work, a few at a time, and rejects what would wait too long. */
export class BoundedWork {
  private readonly maxRunning: number;
  private readonly maxWaiting: number;
  private readonly waiting: (() => void)[] = [];
  private running = 0;

  constructor(maxRunning: number, maxWaiting: number) {
    this.maxRunning = maxRunning;
    this.maxWaiting = maxWaiting;
  }

  /** Runs `work` when its turn comes; `undefined` where there is too much before it. */
  run<Result>(work: () => Promise<Result>): Promise<Result> | undefined {
    if (this.running < this.maxRunning) return this.start(work);
    if (this.waiting.length >= this.maxWaiting) return undefined;
    return new Promise((resolve) => this.waiting.push(() => resolve(this.start(work))));
  }

  private async start<Result>(work: () => Promise<Result>): Promise<Result> {
    this.running++;
    try {
      return await work();
    } finally {
      this.running--;
      this.waiting.shift()?.();
    }
  }
}
