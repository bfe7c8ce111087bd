import type { Exchange } from '../../core/exchange.ts';
import type { UpstreamTarget } from '../upstream-target.ts';
import { type Balancer, firstUntried } from './balancer.ts';

/** What a target is taken to need before it has answered; low, so that it gets requests, but each one counts. */
const UNKNOWN_LATENCY_MS = 1;

/**
 * Takes two targets at random and chooses the one that is likely to answer first: by its latency (a moving average
 * that jumps up at once and sinks slowly) times the requests that it has under way.
 */
export class TwoChoices implements Balancer {
  readonly usesLatency = true;
  private readonly random: () => number;
  private targets: readonly UpstreamTarget[] = [];

  constructor(random: () => number) {
    this.random = random;
  }

  update(available: readonly UpstreamTarget[]): void {
    this.targets = available;
  }

  pick(exchange: Exchange, tried: readonly UpstreamTarget[]): UpstreamTarget | undefined {
    const { targets } = this;
    const count = targets.length;
    if (count === 0) return undefined;
    const first = Math.floor(this.random() * count);
    if (tried.length > 0 || count === 1) return firstUntried(targets, first, tried);
    const second = (first + 1 + Math.floor(this.random() * (count - 1))) % count;
    const [a, b] = [targets[first] as UpstreamTarget, targets[second] as UpstreamTarget];
    const now = exchange.startedAt;
    return costOf(a, now) <= costOf(b, now) ? a : b;
  }
}

function costOf({ state, weight }: UpstreamTarget, now: number): number {
  const latency = Math.max(state.latency.at(now), UNKNOWN_LATENCY_MS);
  return (latency * (state.activeRequests + 1)) / weight;
}
