import type { DiscoveredTarget } from './discovery.ts';

/** Takes what a source hears, in whatever order and as often as it likes. */
export interface TargetReport {
  /** All targets there are now. None at all counts as a failure. `remark` tells what part had to be left out. */
  found(targets: readonly DiscoveredTarget[], remark?: string): void;
  /** The source does not respond, or not with targets; the reason carries its remedy behind ' — '. */
  failed(reason: string): void;
}

/** One kind of discovery: asks or watches, and reports. Knows nothing of what was found before. */
export interface TargetSource {
  start(report: TargetReport): void;
  close(): void;
}
