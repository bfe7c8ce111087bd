import type { Target } from '../core/message.ts';
import type { TargetState } from './target-state.ts';

/** Counts and times what a target answered. */
export interface TargetMeter {
  record(status: number, seconds: number): void;
}

export interface UpstreamTargetSettings {
  readonly target: Target;
  readonly meter: TargetMeter | undefined;
  readonly weight: number;
  readonly state: TargetState;
}

/** A target as an upstream has it: where requests go, what counts them, and how it does. */
export class UpstreamTarget {
  readonly target: Target;
  readonly meter: TargetMeter | undefined;
  readonly state: TargetState;
  /** The weight as configured. */
  readonly fullWeight: number;
  /** The weight for now: less than the full one while the target starts slowly. */
  weight: number;
  /** How much its turn is due; the round-robin's own mark. */
  turn = 0;

  constructor({ target, meter, weight, state }: UpstreamTargetSettings) {
    this.target = target;
    this.meter = meter;
    this.state = state;
    this.fullWeight = weight;
    this.weight = weight;
  }

  get name(): string {
    return this.target.name;
  }

  /** What `Host` says where it speaks of the target. */
  get authority(): string {
    return this.target.authority ?? this.target.name;
  }
}
