import type { Exchange } from '../../core/exchange.ts';
import type { RequestKey } from '../../core/request-key.ts';
import type { UpstreamTarget } from '../upstream-target.ts';
import type { Balancer } from './balancer.ts';
import { hash32, mix32 } from './hash.ts';

/**
 * Sends the same key to the same target, by rendezvous hashing: for each key every target draws a number that depends
 * on the two alone, and the highest one gets it. Since none of these numbers depends on who else is there, a target
 * that leaves moves its own keys and no other, and they come back with it. Every target has exactly its share of all
 * possible keys, and those of one that leaves go to the others by their shares.
 *
 * With weights the draws are `u^(1/weight)`. Within a weight the highest `u` is the highest draw, so that a
 * logarithm is taken once a weight, not once a target.
 */
export class Rendezvous implements Balancer {
  private readonly key: RequestKey;
  private groups: readonly WeightGroup[] = [];

  constructor(key: RequestKey) {
    this.key = key;
  }

  update(available: readonly UpstreamTarget[]): void {
    const byWeight = Map.groupBy(available, ({ fullWeight }) => fullWeight);
    this.groups = Array.from(byWeight, ([weight, targets]) => new WeightGroup(weight, targets));
  }

  pick(exchange: Exchange, tried: readonly UpstreamTarget[]): UpstreamTarget | undefined {
    const { groups } = this;
    const hash = hash32(this.key(exchange));
    if (groups.length === 1) return (groups[0] as WeightGroup).draw(hash, tried);
    let best: UpstreamTarget | undefined;
    let highest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < groups.length; i++) {
      const group = groups[i] as WeightGroup;
      const target = group.draw(hash, tried);
      if (target === undefined || group.drawn <= highest) continue;
      best = target;
      highest = group.drawn;
    }
    return best;
  }
}

/** The targets of one weight. */
class WeightGroup {
  private readonly weight: number;
  private readonly targets: readonly UpstreamTarget[];
  private readonly seeds: Uint32Array;
  private strongest = 0;

  constructor(weight: number, targets: readonly UpstreamTarget[]) {
    this.weight = weight;
    this.targets = targets;
    this.seeds = Uint32Array.from(targets, ({ name }) => hash32(name));
  }

  /** Finds the target whose draw for `hash` is the highest of those that are not among `tried`. */
  draw(hash: number, tried: readonly UpstreamTarget[]): UpstreamTarget | undefined {
    const { targets, seeds } = this;
    let best: UpstreamTarget | undefined;
    let strongest = -1;
    for (let i = 0; i < targets.length; i++) {
      const drawn = mix32(hash ^ (seeds[i] as number));
      if (drawn <= strongest) continue;
      const target = targets[i] as UpstreamTarget;
      if (tried.length > 0 && tried.includes(target)) continue;
      best = target;
      strongest = drawn;
    }
    this.strongest = strongest;
    return best;
  }

  /** What the target drew that `draw` found, as a logarithm, to be compared with those of other weights. */
  get drawn(): number {
    return Math.log((this.strongest + 0.5) / 2 ** 32) / this.weight;
  }
}
