import type { Exchange } from '../../core/exchange.ts';
import type { UpstreamTarget } from '../upstream-target.ts';
import type { Balancer } from './balancer.ts';

/**
 * Gives each target its turn. With weights the turns are spread as evenly as can be (nginx's smooth weighted
 * round-robin): of as many requests as the weights make together, each target gets exactly its weight.
 */
export class RoundRobin implements Balancer {
  private targets: readonly UpstreamTarget[] = [];
  private isWeighted = false;
  private next = 0;

  update(available: readonly UpstreamTarget[]): void {
    this.targets = available;
    this.isWeighted = available.some(({ weight }) => weight !== available[0]?.weight);
  }

  pick(_: Exchange, tried: readonly UpstreamTarget[]): UpstreamTarget | undefined {
    if (this.isWeighted) return this.pickSmooth(tried);
    const { targets } = this;
    for (let i = 0; i < targets.length; i++) {
      if (this.next >= targets.length) this.next = 0;
      const target = targets[this.next++] as UpstreamTarget;
      if (tried.length === 0 || !tried.includes(target)) return target;
    }
    return undefined;
  }

  private pickSmooth(tried: readonly UpstreamTarget[]): UpstreamTarget | undefined {
    let best: UpstreamTarget | undefined;
    let total = 0;
    for (let i = 0; i < this.targets.length; i++) {
      const target = this.targets[i] as UpstreamTarget;
      if (tried.length > 0 && tried.includes(target)) continue;
      total += target.weight;
      target.turn += target.weight;
      if (best === undefined || target.turn > best.turn) best = target;
    }
    if (best !== undefined) best.turn -= total;
    return best;
  }
}
