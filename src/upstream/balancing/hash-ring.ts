import type { Exchange } from '../../core/exchange.ts';
import type { RequestKey } from '../../core/request-key.ts';
import type { UpstreamTarget } from '../upstream-target.ts';
import type { Balancer } from './balancer.ts';
import { hash32 } from './hash.ts';

/** Points on the ring of the heaviest target; the others have as many as their weight is of its. */
const POINTS = 160;

/**
 * Sends the same key to the same target (consistent hashing on a ring). The ring holds all targets, also those that
 * are out: their keys go to the next ones on the ring and come back with them, and no other key moves.
 */
export class HashRing implements Balancer {
  private readonly key: RequestKey;
  private all: readonly UpstreamTarget[] = [];
  private available: ReadonlySet<UpstreamTarget> = new Set();
  private points = new Uint32Array();
  private owners: UpstreamTarget[] = [];

  constructor(key: RequestKey) {
    this.key = key;
  }

  update(available: readonly UpstreamTarget[], all: readonly UpstreamTarget[]): void {
    this.available = new Set(available);
    if (this.all === all) return;
    this.all = all;
    this.build();
  }

  pick(exchange: Exchange, tried: readonly UpstreamTarget[]): UpstreamTarget | undefined {
    const { owners } = this;
    const start = this.firstPointAt(hash32(this.key(exchange)));
    for (let i = 0; i < owners.length; i++) {
      const owner = owners[(start + i) % owners.length] as UpstreamTarget;
      if (this.available.has(owner) && !tried.includes(owner)) return owner;
    }
    return undefined;
  }

  private build(): void {
    const heaviest = Math.max(...this.all.map(({ fullWeight }) => fullWeight));
    const ring: { point: number; owner: UpstreamTarget }[] = [];
    for (const owner of this.all) {
      const count = Math.max(1, Math.round((POINTS * owner.fullWeight) / heaviest));
      for (let i = 0; i < count; i++) ring.push({ point: hash32(`${owner.name}#${i}`), owner });
    }
    ring.sort((a, b) => a.point - b.point);
    this.points = Uint32Array.from(ring, ({ point }) => point);
    this.owners = ring.map(({ owner }) => owner);
  }

  private firstPointAt(hash: number): number {
    let low = 0;
    let high = this.points.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.points[middle] as number) < hash) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
