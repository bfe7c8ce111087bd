import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import { isPromise } from '../core/is-promise.ts';
import type { ResponseHead } from '../core/message.ts';
import { failureOf } from '../core/pipeline/read-outcome.ts';
import type { PolicyInstance, RequestOutcome, ResponseOutcome } from '../core/policy.ts';
import type { LimitCharge, LimitStanding, LimitStore } from '../core/stores/limit-store.ts';
import type { DelayQueue } from './delay-queue.ts';
import { indexOfUse, LimitTally } from './limit-tally.ts';
import type { LimitUse, PreparedCharge } from './limit-use.ts';
import { sendStandings } from './send-standings.ts';
import { tapBody } from './tap-body.ts';
import { findUsage, prepareForUsage, unitsOf } from './usage-cost.ts';

/** One of the limits that decide together. */
export interface LimitMember {
  readonly use: LimitUse;
  readonly isObserved: boolean;
}

/**
 * Limits that stand side by side on one route: they are charged at once, so that what one of them refuses costs nothing of
 * the others, and they put their fields on the response together.
 */
export class LimitGroup {
  private readonly members: readonly LimitMember[];
  private readonly store: LimitStore;
  private readonly queue: DelayQueue;
  private readonly mayWait: boolean;

  constructor(members: readonly LimitMember[], store: LimitStore, queue: DelayQueue) {
    this.members = members;
    this.store = store;
    this.queue = queue;
    this.mayWait = members.some(({ use }) => use.mayWait);
  }

  /** Makes what runs in place of each member: the first one charges for all. */
  instances(): PolicyInstance[] {
    const hasUsage = this.members.some(({ use }) => use.usage !== undefined);
    return this.members.map(({ use }, i) => ({
      onRequest: (exchange) => (i === 0 ? this.begin(exchange) : this.outcomeOf(use, exchange)),
      ...((i === 0 || use.usage !== undefined) && {
        onResponse: (exchange, response) => this.respond(i, exchange, response),
      }),
      // Most have nothing to do at the end, and then should not be asked.
      ...(i === 0 && (hasUsage || this.mayWait) && { onFinish: (exchange) => this.finish(exchange) }),
    }));
  }

  /**
   * 1. Says what each member charges.
   * 2. Charges all at once.
   */
  private begin(exchange: Exchange): RequestOutcome | Promise<RequestOutcome> {
    // 1.
    const prepared: PreparedCharge[] = [];
    const charges: LimitCharge[] = [];
    for (let i = 0; i < this.members.length; i++) {
      const { use, isObserved } = this.members[i] as LimitMember;
      const each = attemptPrepare(use, exchange, isObserved);
      if (each instanceof GatewayError) {
        // For the others too: one that enforces must not let pass what could not be decided.
        if (isObserved) continue;
        this.note(exchange, [], [], [], each);
        return each;
      }
      if (each === undefined || isCounted(exchange.limits as LimitTally | undefined, each.charge)) continue;
      const at = indexToCharge(charges, each.charge);
      if (at < 0) continue;
      if (use.usage !== undefined && !isObserved) prepareForUsage(use.usage, exchange.headers);
      prepared[at] = each;
      charges[at] = each.charge;
    }
    if (charges.length === 0) return undefined;
    // 2.
    let standings: readonly LimitStanding[] | Promise<readonly LimitStanding[]>;
    try {
      standings = this.store.charge(charges);
    } catch (cause) {
      return this.fail(exchange, prepared, charges, cause);
    }
    if (!isPromise(standings)) return this.settle(exchange, prepared, charges, standings);
    return standings.then(
      (settled) => this.settle(exchange, prepared, charges, settled),
      (cause) => this.fail(exchange, prepared, charges, cause),
    );
  }

  /** What cannot be counted is not let pass. */
  private fail(
    exchange: Exchange,
    prepared: readonly PreparedCharge[],
    charges: readonly LimitCharge[],
    cause: unknown,
  ): GatewayError {
    const failure = new GatewayError('GW_LIMITS_UNAVAILABLE', { cause });
    this.note(exchange, prepared, charges, [], failure);
    return failure;
  }

  /** Hands back what was taken before, if the request is rejected; else lets it wait, if there is a queue. */
  private settle(
    exchange: Exchange,
    prepared: readonly PreparedCharge[],
    charges: readonly LimitCharge[],
    standings: readonly LimitStanding[],
  ): RequestOutcome | Promise<RequestOutcome> {
    const tally = this.note(exchange, prepared, charges, standings, undefined);
    const { use } = this.members[0] as LimitMember;
    if (exchange.policiesRun < 0) {
      // The client left while the store was asked.
      this.handBack(tally);
      return undefined;
    }
    if (!isRejected(charges, standings)) {
      if (!this.mayWait) return this.outcomeOf(use, exchange);
      return this.wait(exchange, tally) ?? this.outcomeOf(use, exchange);
    }
    tally.isHandedBack = true;
    for (let each = tally.before; each !== undefined; each = each.before) this.handBack(each);
    return this.outcomeOf(use, exchange);
  }

  private note(
    exchange: Exchange,
    prepared: readonly PreparedCharge[],
    charges: readonly LimitCharge[],
    standings: readonly LimitStanding[],
    failure: GatewayError | undefined,
  ): LimitTally {
    // Nobody else puts anything there.
    const before = exchange.limits as LimitTally | undefined;
    const tally = new LimitTally(this, prepared, charges, standings, failure, before);
    exchange.limits = tally;
    return tally;
  }

  /** What the limit of one member says about the exchange. */
  private outcomeOf(use: LimitUse, exchange: Exchange): GatewayError | undefined {
    const tally = this.tallyOf(exchange);
    if (tally === undefined) return undefined;
    if (tally.failure !== undefined) return tally.failure;
    const at = indexOfUse(tally, use);
    const standing = tally.standings[at];
    if (standing === undefined || standing.isAllowed) return undefined;
    return rejectionOf(tally, tally.charges[at]?.isObserved === true ? at : longestRejection(tally));
  }

  private wait(exchange: Exchange, tally: LimitTally): Promise<RequestOutcome> | undefined {
    let longest = 0;
    let at = -1;
    for (let i = 0; i < tally.standings.length; i++) {
      const { delayMs } = tally.standings[i] as LimitStanding;
      if (delayMs <= longest || tally.charges[i]?.isObserved === true) continue;
      longest = delayMs;
      at = i;
    }
    const charge = tally.charges[at];
    if (charge === undefined) return undefined;
    const { limit, key, rule, cost } = charge;
    const line = `${limit} ${key}`;
    tally.line = line;
    return new Promise((resolve) => {
      this.queue.add(line, exchange, longest, (cost * rule.windowMs) / rule.limit, () => {
        tally.line = undefined;
        resolve(this.outcomeOf((this.members[0] as LimitMember).use, exchange));
      });
    });
  }

  /** Sends how things stand, once for all groups, and learns what the request really cost. */
  private respond(member: number, exchange: Exchange, response: ResponseHead): ResponseOutcome {
    const tally = this.tallyOf(exchange);
    if (tally === undefined) return undefined;
    if (member === 0 && exchange.limits === tally) sendStandings(tally, response.headers);
    return tally.isHandedBack ? undefined : this.learnCost(member, tally, response);
  }

  private learnCost(member: number, tally: LimitTally, response: ResponseHead): ResponseOutcome {
    const { use } = this.members[member] as LimitMember;
    const at = indexOfUse(tally, use);
    if (use.usage === undefined || at < 0) return undefined;
    const found = findUsage(use.usage, response);
    if (found === undefined) return undefined;
    if (typeof found === 'number') {
      this.chargeUnits(tally, at, found);
      return undefined;
    }
    tally.readers ??= [];
    tally.readers[at] = found;
    return {
      mapBody: (source) =>
        tapBody(
          source,
          (chunk) => found.read(chunk),
          () => this.endReading(tally, at),
        ),
    };
  }

  /** Runs when the body is whole, or when the client has left: what was read until then counts. */
  private endReading(tally: LimitTally, at: number): void {
    const units = unitsOf(tally.readers?.[at]?.value());
    if (tally.readers !== undefined) tally.readers[at] = undefined;
    if (units !== undefined) this.chargeUnits(tally, at, units);
  }

  /** The unit that was charged when the request came is part of these. */
  private chargeUnits(tally: LimitTally, at: number, units: number): void {
    const charge = tally.charges[at] as LimitCharge;
    if (tally.isHandedBack || units === charge.cost) return;
    this.store.chargeAfterwards([{ ...charge, cost: units - charge.cost }]);
  }

  private finish(exchange: Exchange): void {
    const tally = this.tallyOf(exchange);
    if (tally === undefined) return;
    for (let i = 0; i < (tally.readers?.length ?? 0); i++) this.endReading(tally, i);
    if (tally.line === undefined || !this.queue.leave(tally.line, exchange)) return;
    // Whoever left while waiting has cost nothing.
    this.handBack(tally);
  }

  private handBack(tally: LimitTally): void {
    if (tally.isHandedBack) return;
    tally.isHandedBack = true;
    const counted = tally.charges.filter((_, i) => tally.standings[i]?.isAllowed === true);
    this.store.chargeAfterwards(counted.map((charge) => ({ ...charge, cost: -charge.cost })));
  }

  private tallyOf(exchange: Exchange): LimitTally | undefined {
    let tally = exchange.limits;
    while (tally !== undefined && tally.owner !== this) tally = tally.before;
    return tally as LimitTally | undefined;
  }
}

function attemptPrepare(
  use: LimitUse,
  exchange: Exchange,
  isObserved: boolean,
): PreparedCharge | undefined | GatewayError {
  try {
    return use.prepare(exchange, isObserved);
  } catch (error) {
    return failureOf(error);
  }
}

/** A limit that is named twice on a route, by one id, counts a request once: not again behind another policy. */
function isCounted(latest: LimitTally | undefined, { limit, key }: LimitCharge): boolean {
  for (let tally = latest; tally !== undefined; tally = tally.before) {
    if (tally.isHandedBack) continue;
    const at = tally.charges.findIndex((charge) => charge.limit === limit && charge.key === key);
    if (tally.standings[at]?.isAllowed === true) return true;
  }
  return false;
}

/** Says where among charges made at once one goes, -1 where it is there already. One that enforces takes the place of one that observes. */
function indexToCharge(charges: readonly LimitCharge[], { limit, key, isObserved }: LimitCharge): number {
  for (let i = 0; i < charges.length; i++) {
    const charge = charges[i] as LimitCharge;
    if (charge.limit === limit && charge.key === key)
      return charge.isObserved === true && isObserved !== true ? i : -1;
  }
  return charges.length;
}

/** Finds the limit that keeps the client out longest: before its time a request would only be rejected again. */
function longestRejection({ charges, standings }: LimitTally): number {
  let longest = -1;
  for (let i = 0; i < standings.length; i++) {
    const { isAllowed, retryAfterMs } = standings[i] as LimitStanding;
    if (isAllowed || charges[i]?.isObserved === true) continue;
    if (longest < 0 || retryAfterMs > (standings[longest] as LimitStanding).retryAfterMs) longest = i;
  }
  return longest;
}

function rejectionOf({ prepared, standings }: LimitTally, at: number): GatewayError {
  return (prepared[at] as PreparedCharge).use.rejection(standings[at] as LimitStanding);
}

function isRejected(charges: readonly LimitCharge[], standings: readonly LimitStanding[]): boolean {
  for (let i = 0; i < standings.length; i++) {
    if (standings[i]?.isAllowed === false && charges[i]?.isObserved !== true) return true;
  }
  return false;
}
