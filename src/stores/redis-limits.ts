import type { LimitCharge, LimitStanding } from '../core/stores/limit-store.ts';
import { chargeText, limitScript, readStandings } from './limit-script.ts';
import type { RedisConnection } from './redis-connection.ts';

export const LIMIT_SCRIPT = limitScript();

/** Whether a script decides, or counts what has been decided. */
type How = 'charge' | 'count';

/**
 * Counts limits in Redis, one script for each request.
 *
 * The counters of one client lie in one slot of a Cluster, and so does what they decide together. Limits of one request
 * with different keys (its address, its tenant) cannot: a counter has one place, whichever others it meets. They are
 * asked side by side, and where one rejects, the others get back what they counted.
 */
export class RedisLimits {
  private readonly connection: RedisConnection;
  private readonly prefix: string;
  private readonly isCluster: boolean;

  constructor(connection: RedisConnection) {
    const { prefix, cluster } = connection.config;
    this.connection = connection;
    this.prefix = prefix;
    this.isCluster = cluster !== undefined;
  }

  /** Decides about all charges of one request together. Rejects where Redis is away. */
  charge(charges: readonly LimitCharge[]): Promise<readonly LimitStanding[]> {
    return this.isCluster && hasSeveralKeys(charges)
      ? this.chargeApart(charges)
      : this.run('charge', charges);
  }

  /** Counts charges whatever their limits say, and tells how each counter stands then. */
  async count(charges: readonly LimitCharge[]): Promise<readonly LimitStanding[]> {
    if (!this.isCluster || !hasSeveralKeys(charges)) return this.run('count', charges);
    const standings = await Promise.all(charges.map((charge) => this.run('count', [charge])));
    return standings.flat();
  }

  private async chargeApart(charges: readonly LimitCharge[]): Promise<readonly LimitStanding[]> {
    const groups = Map.groupBy(charges, ({ key }) => key);
    const found = new Map<LimitCharge, LimitStanding>();
    let isPassed = true;
    const deciding = [...groups.values()].map(async (group) => {
      const standings = await this.run('charge', group);
      for (const [i, charge] of group.entries()) found.set(charge, standings[i] as LimitStanding);
      const isRejected = standings.some(({ isAllowed }, i) => !isAllowed && group[i]?.isObserved !== true);
      if (isRejected) isPassed = false;
      return isRejected ? [] : group;
    });
    const outcomes = await Promise.allSettled(deciding);
    const failure = outcomes.find(({ status }) => status === 'rejected');
    if (failure !== undefined || !isPassed) this.handBack(outcomes, found);
    if (failure?.status === 'rejected') throw failure.reason;
    return charges.map((charge) => found.get(charge) as LimitStanding);
  }

  private handBack(
    outcomes: readonly PromiseSettledResult<readonly LimitCharge[]>[],
    found: ReadonlyMap<LimitCharge, LimitStanding>,
  ): void {
    const passed = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []));
    const counted = passed.filter((charge) => charge.cost > 0 && found.get(charge)?.isAllowed === true);
    // Nobody waits for it; where Redis is away by now the counters are lost for the time being anyway.
    this.count(counted.map((charge) => ({ ...charge, cost: -charge.cost }))).catch(() => {});
  }

  private run(how: How, charges: readonly LimitCharge[]): Promise<readonly LimitStanding[]> {
    if (charges.length === 0) return Promise.resolve([]);
    const keys: string[] = [];
    const args: string[] = [how];
    for (const charge of charges) {
      keys.push(this.keyOf(charge));
      args.push(chargeText(charge));
    }
    return this.connection
      .runScript(LIMIT_SCRIPT, keys, args)
      .then((reply) => readStandings(reply, charges.length));
  }

  /** What stands in the first braces decides about the slot. It is never empty, whatever the client sends. */
  private keyOf({ limit, key }: LimitCharge): string {
    const name = limit.includes('{') ? limit.replaceAll('{', '(') : limit;
    return `${this.prefix}limit:${name}:{k${key}}`;
  }
}

function hasSeveralKeys(charges: readonly LimitCharge[]): boolean {
  const first = charges[0]?.key;
  return charges.some(({ key }) => key !== first);
}
