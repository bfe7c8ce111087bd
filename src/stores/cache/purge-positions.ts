interface Position {
  /** How many purges were noted here when all up to `seq` were. */
  readonly count: number;
  readonly seq: number;
}

/** Beyond so many, every other one of the older half is forgotten, so that the last ones are known best, and none is unknown. */
const MAX_POSITIONS = 20_000;

/**
 * Translates between the two ways to say which purges a response has seen: by how many were noted in this process, and by
 * the number of the last one that Redis has. A response may be said to have seen fewer than it has, never more.
 */
export class PurgePositions {
  private positions: Position[] = [];

  /** Begins anew: all up to `seq` are noted. */
  reset(count: number, seq: number): void {
    this.positions = [{ count, seq }];
  }

  forget(): void {
    this.positions = [];
  }

  /** Notes that purge `seq`, the next one, is the `count`th here. */
  add(count: number, seq: number): void {
    this.positions.push({ count, seq });
    if (this.positions.length > MAX_POSITIONS)
      this.positions = this.positions.filter((_, i) => i >= MAX_POSITIONS / 2 || i % 2 === 0);
  }

  /** The last purge of Redis that was noted when `count` were. */
  seqOf(count: number): number | undefined {
    return this.positions.findLast((position) => position.count <= count)?.seq;
  }

  /** How many had been noted here when purge `seq` of Redis was; `undefined` where that is not known any more. */
  countOf(seq: number): number | undefined {
    return this.positions.findLast((position) => position.seq <= seq)?.count;
  }
}
