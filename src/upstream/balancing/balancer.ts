import type { Exchange } from '../../core/exchange.ts';
import type { UpstreamTarget } from '../upstream-target.ts';

/** Chooses a target for each request. */
export interface Balancer {
  /** Whether it goes by `state.latency`, which is then measured. */
  readonly usesLatency?: boolean;
  /** Takes the targets to choose from. Their weights may be others than before. */
  update(available: readonly UpstreamTarget[]): void;
  /** Chooses one that is not among `tried`, or returns `undefined` where there is none. */
  pick(exchange: Exchange, tried: readonly UpstreamTarget[]): UpstreamTarget | undefined;
}

/** Walks round `targets` from `start` to the first one that is not among `tried`. */
export function firstUntried(
  targets: readonly UpstreamTarget[],
  start: number,
  tried: readonly UpstreamTarget[],
): UpstreamTarget | undefined {
  for (let i = 0; i < targets.length; i++) {
    const target = targets[(start + i) % targets.length] as UpstreamTarget;
    if (!tried.includes(target)) return target;
  }
  return undefined;
}
