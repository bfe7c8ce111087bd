import type { LimitState } from '../limits/limit-state.ts';

/** Whose counter a slot holds. */
export interface SlotOwner {
  /** Told when the slot is taken from it. */
  forget(key: string): void;
}

const SLAB_BITS = 12;
const SLAB_SIZE = 1 << SLAB_BITS;
const FIELDS = 5;

interface Slab {
  /** `at`, `used`, `former`, the moment at which the counter is as new, and how much is written down, slot by slot. */
  readonly numbers: Float64Array;
  readonly keys: (string | undefined)[];
  readonly owners: (SlotOwner | undefined)[];
}

/**
 * Numbers of counters in flat arrays, which the collector of garbage never has to walk. They grow slab by slab, so that
 * nothing is ever copied, and what is as new is freed a few slots at a time.
 */
export class CounterSlots {
  private readonly slabs: Slab[] = [];
  private readonly free: number[] = [];
  private end = 0;
  private hand = 0;
  private usedSlots = 0;

  /** Slots in use. */
  get size(): number {
    return this.usedSlots;
  }

  /** Takes a free slot. */
  take(owner: SlotOwner, key: string): number {
    const slot = this.free.pop() ?? this.grow();
    const { numbers, keys, owners } = this.slabOf(slot);
    numbers[(slot & (SLAB_SIZE - 1)) * FIELDS + 4] = 0;
    keys[slot & (SLAB_SIZE - 1)] = key;
    owners[slot & (SLAB_SIZE - 1)] = owner;
    this.usedSlots++;
    return slot;
  }

  read(slot: number): LimitState {
    const { numbers } = this.slabOf(slot);
    const at = (slot & (SLAB_SIZE - 1)) * FIELDS;
    return {
      at: numbers[at] as number,
      used: numbers[at + 1] as number,
      former: numbers[at + 2] as number,
    };
  }

  /** Writes a state that is as new at `expiresAt`. */
  write(slot: number, { at, used, former }: LimitState, expiresAt: number): void {
    const { numbers } = this.slabOf(slot);
    const offset = (slot & (SLAB_SIZE - 1)) * FIELDS;
    // Of another period nothing is written down yet.
    if (numbers[offset] !== at) numbers[offset + 4] = 0;
    numbers[offset] = at;
    numbers[offset + 1] = used;
    numbers[offset + 2] = former;
    numbers[offset + 3] = expiresAt;
  }

  keyOf(slot: number): string {
    return this.slabOf(slot).keys[slot & (SLAB_SIZE - 1)] as string;
  }

  /** Units of the present period that are written down. */
  writtenOf(slot: number): number {
    return this.slabOf(slot).numbers[(slot & (SLAB_SIZE - 1)) * FIELDS + 4] as number;
  }

  noteWritten(slot: number, units: number): void {
    this.slabOf(slot).numbers[(slot & (SLAB_SIZE - 1)) * FIELDS + 4] = units;
  }

  expiryOf(slot: number): number {
    return this.slabOf(slot).numbers[(slot & (SLAB_SIZE - 1)) * FIELDS + 3] as number;
  }

  /** Looks at the next `count` slots in turn and frees those that are as new. Returns how many. */
  sweep(count: number, now: number): number {
    let freed = 0;
    for (let i = Math.min(count, this.end); i > 0; i--) {
      if (this.hand >= this.end) this.hand = 0;
      if (this.freeIfExpired(this.hand++, now)) freed++;
    }
    return freed;
  }

  private freeIfExpired(slot: number, now: number): boolean {
    const { numbers, keys, owners } = this.slabOf(slot);
    const at = slot & (SLAB_SIZE - 1);
    const owner = owners[at];
    if (owner === undefined || (numbers[at * FIELDS + 3] as number) > now) return false;
    owner.forget(keys[at] as string);
    keys[at] = undefined;
    owners[at] = undefined;
    this.free.push(slot);
    this.usedSlots--;
    return true;
  }

  private grow(): number {
    if (this.end >> SLAB_BITS === this.slabs.length) {
      this.slabs.push({
        numbers: new Float64Array(SLAB_SIZE * FIELDS),
        keys: new Array<string | undefined>(SLAB_SIZE).fill(undefined),
        owners: new Array<SlotOwner | undefined>(SLAB_SIZE).fill(undefined),
      });
    }
    return this.end++;
  }

  private slabOf(slot: number): Slab {
    return this.slabs[slot >> SLAB_BITS] as Slab;
  }
}
