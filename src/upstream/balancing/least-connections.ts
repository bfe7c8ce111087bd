import type { Exchange } from '../../core/exchange.ts';
import type { UpstreamTarget } from '../upstream-target.ts';
import type { Balancer } from './balancer.ts';

/** Chooses the target with the fewest requests under way for its weight; among equals, the one whose turn it is. */
export class LeastConnections implements Balancer {
  private targets: readonly UpstreamTarget[] = [];
  private start = 0;

  update(available: readonly UpstreamTarget[]): void {
    this.targets = available;
  }

  pick(_: Exchange, tried: readonly UpstreamTarget[]): UpstreamTarget | undefined {
    const { targets } = this;
    if (this.start >= targets.length) this.start = 0;
    let best: UpstreamTarget | undefined;
    let least = Number.POSITIVE_INFINITY;
    const { start } = this;
    for (let i = 0, at = start; i < targets.length; i++, at++) {
      if (at === targets.length) at = 0;
      const target = targets[at] as UpstreamTarget;
      const load = (target.state.activeRequests + 1) / target.weight;
      if (load >= least || (tried.length > 0 && tried.includes(target))) continue;
      best = target;
      least = load;
      // Behind the one that was picked, so that none gets the turns of a busy one besides its own.
      this.start = at + 1;
    }
    return best;
  }
}
