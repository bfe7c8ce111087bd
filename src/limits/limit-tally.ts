import type { GatewayError } from '../core/errors.ts';
import type { ChargedLimits, LimitCharge, LimitStanding } from '../core/stores/limit-store.ts';
import type { LimitUse, PreparedCharge } from './limit-use.ts';
import type { UsageReader } from './usage-reader.ts';

/** What limits that decide together have done about one exchange. */
export class LimitTally implements ChargedLimits {
  readonly owner: object;
  readonly prepared: readonly PreparedCharge[];
  readonly charges: readonly LimitCharge[];
  readonly standings: readonly LimitStanding[];
  /** Why nothing could be decided. */
  readonly failure: GatewayError | undefined;
  readonly before: LimitTally | undefined;
  /** Readers of the response under way, by charge. */
  readers: (UsageReader | undefined)[] | undefined = undefined;
  /** The line of a queue in which the exchange waits. */
  line: string | undefined = undefined;
  /** Whether nothing is counted any more, or never was. */
  isHandedBack: boolean;

  constructor(
    owner: object,
    prepared: readonly PreparedCharge[],
    charges: readonly LimitCharge[],
    standings: readonly LimitStanding[],
    failure: GatewayError | undefined,
    before: LimitTally | undefined,
  ) {
    this.owner = owner;
    this.prepared = prepared;
    this.charges = charges;
    this.standings = standings;
    this.failure = failure;
    this.before = before;
    this.isHandedBack = failure !== undefined;
  }
}

/** Finds where in a tally one use stands, -1 for nowhere. */
export function indexOfUse({ prepared }: LimitTally, use: LimitUse): number {
  for (let i = 0; i < prepared.length; i++) if (prepared[i]?.use === use) return i;
  return -1;
}

/** Units left as the client may count on them. */
export function remainingOf({ charges, standings, isHandedBack }: LimitTally, i: number): number {
  const { isAllowed, remaining } = standings[i] as LimitStanding;
  if (!isHandedBack) return remaining;
  const { cost, rule } = charges[i] as LimitCharge;
  const wasCounted = isAllowed && standings.every((standing) => standing.isAllowed);
  return wasCounted ? Math.min(rule.limit, remaining + cost) : remaining;
}
