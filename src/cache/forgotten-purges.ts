import { hashOf } from './text-hash.ts';

/** So many groups, half a MiB of numbers. */
const GROUPS = 1 << 16;

/**
 * Remembers of purges without number when the last one of a group was, in a memory that does not grow. Values fall into
 * groups by a hash: what is told of one may be about another, which then counts as purged though it was not, never the
 * other way round.
 */
export class ForgottenPurges {
  private latest: Float64Array | undefined = undefined;

  /** Notes purge `number` of `value`. */
  add(value: string, number: number): void {
    this.latest ??= new Float64Array(GROUPS);
    const group = hashOf(value) % GROUPS;
    this.latest[group] = Math.max(this.latest[group] as number, number);
  }

  /** The number of the last purge that may have been about `value`; 0 where there was none. */
  latestOf(value: string): number {
    return this.latest === undefined ? 0 : (this.latest[hashOf(value) % GROUPS] as number);
  }

  clear(): void {
    this.latest = undefined;
  }
}
