const FIRST_MS = 1000;
const LONGEST_MS = 30_000;

/** Gives growing pauses after failures: about 1 s, 2 s, 4 s up to 30 s, each less by up to half, at random. */
export class Backoff {
  private readonly random: () => number;
  private failures = 0;

  constructor(random: () => number) {
    this.random = random;
  }

  nextMs(): number {
    const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.failures);
    if (ceiling < LONGEST_MS) this.failures++;
    return ceiling * (1 - this.random() / 2);
  }

  reset(): void {
    this.failures = 0;
  }
}
