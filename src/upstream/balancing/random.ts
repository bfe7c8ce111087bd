import type { Exchange } from '../../core/exchange.ts';
import type { UpstreamTarget } from '../upstream-target.ts';
import { type Balancer, firstUntried } from './balancer.ts';

/** Chooses a target at random, each as likely as its weight. */
export class RandomChoice implements Balancer {
  private readonly random: () => number;
  private targets: readonly UpstreamTarget[] = [];
  /** The sums of the weights up to and with each target. */
  private bounds: number[] = [];

  constructor(random: () => number) {
    this.random = random;
  }

  update(available: readonly UpstreamTarget[]): void {
    let sum = 0;
    this.targets = available;
    this.bounds = available.map(({ weight }) => {
      sum += weight;
      return sum;
    });
  }

  pick(_: Exchange, tried: readonly UpstreamTarget[]): UpstreamTarget | undefined {
    const { targets, bounds } = this;
    if (targets.length === 0) return undefined;
    const point = this.random() * (bounds[bounds.length - 1] as number);
    let low = 0;
    let high = bounds.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((bounds[middle] as number) > point) high = middle;
      else low = middle + 1;
    }
    return tried.length === 0 ? targets[low] : firstUntried(targets, low, tried);
  }
}
