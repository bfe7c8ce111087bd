const STABLE_AFTER_MS = 60_000;
const FIRST_DELAY_MS = 1000;
const MAX_DELAY_MS = 30_000;

/**
 * Decides how long a worker that ended stays away: not at all after a long life, and longer each time that it ends soon
 * after its start, so that one which cannot live keeps no core busy.
 */
export class RestartDelay {
  private earlyEnds = 0;

  /** Gives the delay in milliseconds before the next start, after a life of `livedMs`. */
  next(livedMs: number): number {
    if (livedMs >= STABLE_AFTER_MS) this.earlyEnds = 0;
    const delay = this.earlyEnds === 0 ? 0 : FIRST_DELAY_MS * 2 ** (this.earlyEnds - 1);
    this.earlyEnds++;
    return Math.min(delay, MAX_DELAY_MS);
  }
}
