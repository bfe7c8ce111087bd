/** How many requests may be retries at a time: a share of those under way, and always a few. */
export class RetryBudget {
  private readonly share: number;
  private readonly minimum: number;
  private taken = 0;
  private readonly waiting = new Set<() => void>();

  constructor(share: number, minimum = 3) {
    this.share = share;
    this.minimum = minimum;
  }

  /** Takes one, if of `activeRequests` that many may be retries. */
  tryTake(activeRequests: number): boolean {
    if (this.taken >= Math.max(this.minimum, this.share * activeRequests)) return false;
    this.taken++;
    return true;
  }

  /** Gives one back, to who waits for it first and still wants it. */
  release(): void {
    this.taken--;
    const before = this.taken;
    for (let left = this.waiting.size; left > 0 && this.taken === before; left--) {
      const [wake] = this.waiting as Iterable<() => void> as [() => void];
      this.waiting.delete(wake);
      wake();
    }
  }

  /** Calls `onFree` when one is given back and nobody else waits longer, unless the returned function is called before. */
  wait(onFree: () => void): () => void {
    this.waiting.add(onFree);
    return () => void this.waiting.delete(onFree);
  }
}

/** How many hedges may be saved up. */
const MOST_SAVED = 10;

/** Allows a share of all requests to be sent twice: each earns a part of a hedge, and a few can be saved. */
export class HedgeBudget {
  private readonly share: number;
  private saved = 1;

  constructor(share: number) {
    this.share = share;
  }

  /** Counts a request that may be sent twice. */
  earn(): void {
    this.saved = Math.min(MOST_SAVED, this.saved + this.share);
  }

  tryTake(): boolean {
    if (this.saved < 1) return false;
    this.saved--;
    return true;
  }
}
