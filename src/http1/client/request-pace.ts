import type { Deadlines } from '../deadlines.ts';
import type { ClientLimits, ServeOptions } from './serve-options.ts';

const CHECK_MS = 1000;

/** Tells whether a client sends its request too slowly. */
export class RequestPace {
  /** How often a body is looked at: as often as its strictest limit asks for. */
  readonly checkMs: number;
  private readonly limits: ClientLimits;
  private readonly deadlines: Deadlines;
  private startedAt = 0;
  /** When somebody first wanted the body: the time before is not the client's. 0 until then. */
  private wantedAt = 0;
  private pausedMs = 0;
  private lastReadAt = 0;

  constructor({ limits, deadlines }: ServeOptions) {
    this.limits = limits;
    this.deadlines = deadlines;
    this.checkMs = Math.min(CHECK_MS, limits.bodyIdleMs, limits.requestTimeoutMs || CHECK_MS);
  }

  /** The first byte of a request is here. */
  start(): void {
    this.startedAt = this.deadlines.now;
    this.wantedAt = 0;
    this.pausedMs = 0;
  }

  /** Bytes came. */
  read(): void {
    this.lastReadAt = this.deadlines.now;
  }

  /** Somebody waits for the body, or goes on waiting after a pause of ours. */
  want(): void {
    this.lastReadAt = this.deadlines.now;
    if (this.wantedAt === 0) this.wantedAt = this.lastReadAt;
  }

  /** The gateway itself did not read since the last check. */
  pause(): void {
    this.pausedMs += this.checkMs;
    this.lastReadAt = this.deadlines.now;
  }

  /** Judges a body of which `bodyBytes` have come. */
  isTooSlow(bodyBytes: number): boolean {
    const { bodyIdleMs, bodyMinRate, bodyMinRateAfterMs, requestTimeoutMs } = this.limits;
    const { now } = this.deadlines;
    if (now - this.lastReadAt > bodyIdleMs) return true;
    if (requestTimeoutMs > 0 && now - this.startedAt > requestTimeoutMs) return true;
    const readingMs = now - this.wantedAt - this.pausedMs;
    return readingMs > bodyMinRateAfterMs && bodyBytes < (bodyMinRate * readingMs) / 1000;
  }
}
