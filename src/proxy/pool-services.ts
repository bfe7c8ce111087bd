import { BufferBudget } from '../core/buffer-budget.ts';
import type { Descriptors } from '../core/network/descriptors.ts';
import type { Deadlines } from '../http1/deadlines.ts';
import { type Lookup, systemLookup } from '../http1/target/lookup.ts';

/** What a pool has in common with all others. */
export interface PoolServices {
  readonly deadlines: Deadlines;
  readonly connections: ConnectionCount;
  readonly lookup: Lookup;
  readonly random: () => number;
  readonly budget: BufferBudget;
}

/** How many connections to targets are open, over all pools. */
export class ConnectionCount {
  open = 0;
  readonly descriptors: Descriptors | undefined;

  constructor(descriptors?: Descriptors) {
    this.descriptors = descriptors;
  }
}

/** Fills what `HttpTarget` needs of its services where a test or a bench says nothing. */
export function poolServices(deadlines: Deadlines, given: Partial<PoolServices> = {}): PoolServices {
  return {
    deadlines,
    connections: new ConnectionCount(),
    lookup: systemLookup,
    random: Math.random,
    budget: new BufferBudget(),
    ...given,
  };
}
