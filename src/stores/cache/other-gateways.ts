import type { Clock } from '../../core/clock.ts';
import type { PurgeReach } from '../../core/stores/cache-store.ts';
import { COUNTED_MS } from './purge-scripts.ts';

interface Other {
  epoch: string;
  /** The last purge that it has noted. */
  seq: number;
  heardAt: number;
}

/** The other gateways that share purges, and up to which purge each has noted all. */
export class OtherGateways {
  private readonly ownName: string;
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly others = new Map<string, Other>();
  private epoch = '';

  constructor(ownName: string, clock: Pick<Clock, 'monotonic'>) {
    this.ownName = ownName;
    this.clock = clock;
  }

  /** Takes names and standings by turns, as Redis has them. In a new epoch it may not have heard of all yet. */
  heard(epoch: string, gateways: readonly string[]): void {
    const now = this.clock.monotonic();
    const names = new Set<string>();
    for (let i = 0; i < gateways.length; i += 2) {
      const name = gateways[i] as string;
      if (name === this.ownName) continue;
      names.add(name);
      const [ofEpoch = '', seq = ''] = (gateways[i + 1] as string).split(' ');
      this.others.set(name, { epoch: ofEpoch, seq: Number(seq), heardAt: now });
    }
    const isSameEpoch = epoch === this.epoch;
    this.epoch = epoch;
    for (const [name, { heardAt }] of this.others)
      if (!names.has(name) && (isSameEpoch || now - heardAt > COUNTED_MS)) this.forget(name, now);
  }

  /** Up to which purge all of them have noted all. */
  confirmedIn(epoch: string): number {
    let least = Number.POSITIVE_INFINITY;
    for (const other of this.others.values()) least = Math.min(least, other.epoch === epoch ? other.seq : -1);
    return least;
  }

  /** Where a purge is known to hold. */
  reachOf({ epoch, seq }: { readonly epoch: string; readonly seq: number }): PurgeReach {
    const unreached: string[] = [];
    for (const [name, other] of this.others)
      if (other.epoch !== epoch || other.seq < seq) unreached.push(describe(name));
    return { reached: 1 + this.others.size - unreached.length, unreached };
  }

  /** One that has left said so, or was silent for long; one that an emptied Redis does not know may come back. */
  private forget(name: string, now: number): void {
    const other = this.others.get(name);
    if (other === undefined) return;
    if (other.epoch === this.epoch || now - other.heardAt > COUNTED_MS) this.others.delete(name);
  }
}

function describe(name: string): string {
  const [host, pid] = name.split(':');
  return `the gateway on ${host}, process ${pid}: it has not confirmed before the timeout`;
}
