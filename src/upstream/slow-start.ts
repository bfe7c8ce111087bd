import type { Clock } from '../core/clock.ts';
import type { UpstreamTarget } from './upstream-target.ts';

/** Where a target begins, as a share of its weight. */
const FIRST_SHARE = 0.1;
const STEPS = 20;

/** Lets targets that came back have little at first and all of their weight after a while. */
export class SlowStart {
  private readonly durationMs: number;
  private readonly clock: Clock;
  private readonly onStep: () => void;
  private stop: (() => void) | undefined = undefined;

  /** `onStep` is called when weights are to be taken again. */
  constructor(durationMs: number, clock: Clock, onStep: () => void) {
    this.durationMs = durationMs;
    this.clock = clock;
    this.onStep = onStep;
  }

  /** Sets the weights that `targets` have now, and sees to it that this is done again while any of them rises. */
  weigh(targets: readonly UpstreamTarget[]): void {
    if (this.durationMs === 0) return;
    const now = this.clock.monotonic();
    let isRising = false;
    for (const target of targets) {
      const share = Math.max(FIRST_SHARE, (now - target.state.healthySince) / this.durationMs);
      target.weight = target.fullWeight * Math.min(1, share);
      if (share < 1) isRising = true;
    }
    if (!isRising) this.close();
    else this.stop ??= this.clock.every(this.durationMs / STEPS, this.onStep);
  }

  close(): void {
    this.stop?.();
    this.stop = undefined;
  }
}
