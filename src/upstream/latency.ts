/** How fast what was measured fades. */
const FADE_MS = 10_000;

/** The latency of a target as a moving average: it jumps up to a slow response at once and sinks with time. */
export class Latency {
  private averageMs = 0;
  private updatedAt = 0;

  /** Takes a measurement. Failures are not measure of speed unless they took long. */
  record(ms: number, isFailure: boolean, now: number): void {
    const before = this.at(now);
    if (isFailure && ms <= before) return;
    const fade = Math.exp(-Math.max(0, now - this.updatedAt) / FADE_MS);
    this.averageMs = ms > before ? ms : this.averageMs * fade + ms * (1 - fade);
    this.updatedAt = now;
  }

  /** The average as it is at `now`: what is old counts less, so that a slow target is asked again some day. */
  at(now: number): number {
    return this.averageMs * Math.exp(-Math.max(0, now - this.updatedAt) / FADE_MS);
  }
}
