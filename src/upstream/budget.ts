/** How many requests may be retries at a time: a share of those under way, and always a few. */
export class RetryBudget {
  private readonly share: number;
  private readonly minimum: number;
  private taken = 0;

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

  release(): void {
    this.taken--;
  }
}
