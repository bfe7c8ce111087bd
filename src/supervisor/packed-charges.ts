import type { LimitCharge, LimitPeriod, LimitRule, LimitStanding } from '../core/stores/limit-store.ts';

/** A limit by its number, which charges name it by. */
export interface LimitDefinition {
  readonly number: number;
  readonly limit: string;
  readonly rule: LimitRule;
}

/** Charges of several requests as a message carries them: small, since each limited request of a worker is in one. */
export interface PackedCharges {
  /** Limits that were not named before. */
  readonly definitions: readonly LimitDefinition[];
  /** For each request the number of its charges, then for each charge limit, key, cost, period, and whether it is observed. */
  readonly values: readonly PackedValue[];
}

export type PackedValue = string | number | boolean | LimitPeriod | undefined;

const VALUES_PER_CHARGE = 5;
const VALUES_PER_STANDING = 5;

/** Packs charges. It gives each limit a number, once; a reload that leaves a limit as it was gives it no other one. */
export class ChargePacker {
  private readonly numbers = new Map<string, number>();
  private readonly byRule = new WeakMap<LimitRule, { limit: string; number: number }>();
  private definitions: LimitDefinition[] = [];
  private values: PackedValue[] = [];

  get isEmpty(): boolean {
    return this.values.length === 0;
  }

  add(charges: readonly LimitCharge[]): void {
    this.values.push(charges.length);
    for (const charge of charges) {
      const { key, cost, period, isObserved } = charge;
      this.values.push(this.numberOf(charge), key, cost, period, isObserved === true);
    }
  }

  /** Gives what was added since the last time. */
  take(): PackedCharges {
    const { definitions, values } = this;
    this.definitions = [];
    this.values = [];
    return { definitions, values };
  }

  private numberOf({ limit, rule }: LimitCharge): number {
    const known = this.byRule.get(rule);
    if (known?.limit === limit) return known.number;
    const content = JSON.stringify([limit, rule]);
    let number = this.numbers.get(content);
    if (number === undefined) {
      number = this.numbers.size;
      this.numbers.set(content, number);
      this.definitions.push({ number, limit, rule });
    }
    this.byRule.set(rule, { limit, number });
    return number;
  }
}

/** Unpacks the charges of one worker, whose limits it remembers. */
export class ChargeUnpacker {
  private readonly limits = new Map<number, LimitDefinition>();

  /** Gives the charges of each request. */
  *unpack({ definitions, values }: PackedCharges): Generator<readonly LimitCharge[]> {
    for (const definition of definitions) this.limits.set(definition.number, definition);
    for (let at = 0; at < values.length; ) {
      const count = values[at++] as number;
      const charges: LimitCharge[] = [];
      for (const end = at + count * VALUES_PER_CHARGE; at < end; at += VALUES_PER_CHARGE)
        charges.push(this.chargeAt(values, at));
      yield charges;
    }
  }

  private chargeAt(values: readonly PackedValue[], at: number): LimitCharge {
    const definition = this.limits.get(values[at] as number);
    if (definition === undefined) throw new TypeError('a charge names an unknown limit');
    return {
      limit: definition.limit,
      rule: definition.rule,
      key: values[at + 1] as string,
      cost: values[at + 2] as number,
      period: values[at + 3] as LimitPeriod | undefined,
      isObserved: values[at + 4] as boolean,
    };
  }
}

/** Packs standings in their order. */
export function packStandings(standings: readonly LimitStanding[]): Float64Array {
  const packed = new Float64Array(standings.length * VALUES_PER_STANDING);
  let at = 0;
  for (const { isAllowed, remaining, resetMs, retryAfterMs, delayMs } of standings) {
    packed.set([Number(isAllowed), remaining, resetMs, retryAfterMs, delayMs], at);
    at += VALUES_PER_STANDING;
  }
  return packed;
}

/** Unpacks so many standings, from number `first` on. */
export function unpackStandings(packed: Float64Array, first: number, count: number): LimitStanding[] {
  const standings: LimitStanding[] = [];
  for (let i = first; i < first + count; i++) {
    const [isAllowed, remaining = 0, resetMs = 0, retryAfterMs = 0, delayMs = 0] = packed.subarray(
      i * VALUES_PER_STANDING,
      (i + 1) * VALUES_PER_STANDING,
    );
    standings.push({ isAllowed: isAllowed === 1, remaining, resetMs, retryAfterMs, delayMs });
  }
  return standings;
}
