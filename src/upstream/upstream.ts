import type { Target } from '../core/message.ts';

/** Counts and times what a target answered. */
export interface TargetMeter {
  record(status: number, seconds: number): void;
}

/** A target as an upstream has it: where requests go, and what counts them. */
export interface UpstreamTarget {
  readonly target: Target;
  readonly meter: TargetMeter | undefined;
}

export interface UpstreamSettings {
  readonly name: string;
  readonly targets: readonly UpstreamTarget[];
  /** Milliseconds from the end of a request until the response head is due, for one attempt. */
  readonly responseTimeoutMs: number;
}

/** A service that routes name: its targets, and whose turn it is. */
export class Upstream {
  readonly name: string;
  readonly targets: readonly UpstreamTarget[];
  readonly responseTimeoutMs: number;
  private next = 0;

  constructor(settings: UpstreamSettings) {
    this.name = settings.name;
    this.targets = settings.targets;
    this.responseTimeoutMs = settings.responseTimeoutMs;
  }

  /** Picks the target whose turn it is. */
  pick(): UpstreamTarget {
    const { targets } = this;
    if (this.next >= targets.length) this.next = 0;
    return targets[this.next++] as UpstreamTarget;
  }
}
