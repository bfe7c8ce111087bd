import type { SlotOwner } from './counter-slots.ts';

const SHARDS = 64;

/**
 * The slots of one limit's counters, by key. Many small maps instead of a large one, which would stand still for a tenth
 * of a second each time it grows.
 */
export class LimitCounters implements SlotOwner {
  readonly limit: string;
  private readonly onEmpty: (limit: string) => void;
  private readonly shards: (Map<string, number> | undefined)[] = new Array<undefined>(SHARDS).fill(undefined);
  private count = 0;

  constructor(limit: string, onEmpty: (limit: string) => void) {
    this.limit = limit;
    this.onEmpty = onEmpty;
  }

  get size(): number {
    return this.count;
  }

  find(key: string): number | undefined {
    return this.shards[shardOf(key)]?.get(key);
  }

  add(key: string, slot: number): void {
    const at = shardOf(key);
    let shard = this.shards[at];
    if (shard === undefined) {
      shard = new Map();
      this.shards[at] = shard;
    }
    shard.set(key, slot);
    this.count++;
  }

  forget(key: string): void {
    if (this.shards[shardOf(key)]?.delete(key) !== true) return;
    if (--this.count === 0) this.onEmpty(this.limit);
  }
}

/** The end of a key tells clients apart. Whoever makes all keys end alike only gets a larger map. */
function shardOf(key: string): number {
  let hash = key.length;
  for (let i = Math.max(0, key.length - 4); i < key.length; i++) hash = hash * 31 + key.charCodeAt(i);
  return hash & (SHARDS - 1);
}

/** Copies text, so that what is kept of a request is not all of its head. */
export function ownText(text: string): string {
  const narrow = Buffer.from(text, 'latin1').toString('latin1');
  return narrow === text ? narrow : Buffer.from(text, 'utf16le').toString('utf16le');
}
