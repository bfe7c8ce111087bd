import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import { isPromise } from '../core/is-promise.ts';
import type { Reply } from '../core/message.ts';
import type { LimitPeriod, LimitStanding } from '../core/stores/limit-store.ts';
import type { LimitInstance } from './limit-instance.ts';
import type { PreparedCharge } from './limit-use.ts';

/** How a client stands with one quota. */
export interface QuotaStanding {
  readonly name: string;
  readonly limit: number;
  readonly used: number;
  readonly remaining: number;
  readonly period: string;
  readonly timeZone: string;
  /** Begin and end of the period (RFC 3339). */
  readonly startsAt: string;
  readonly resetsAt: string;
}

/** Reads the quotas of a configuration, without counting the request that asks. */
export class QuotaReader {
  private readonly quotas: readonly LimitInstance[];

  /** `quotas` may still grow. */
  constructor(quotas: readonly LimitInstance[]) {
    this.quotas = quotas;
  }

  /** Answers a client with how it stands. */
  respond(exchange: Exchange): Reply | Promise<Reply | GatewayError> {
    const standings = this.read((quota) => quota.use.prepareQuestion(exchange));
    if (!isPromise(standings)) return reply(standings);
    return standings.then(reply, (cause) => new GatewayError('GW_LIMITS_UNAVAILABLE', { cause }));
  }

  /** Tells how the client of these keys stands, of which each quota takes as many as it is counted by. */
  readFor(keys: readonly string[]): readonly QuotaStanding[] | Promise<readonly QuotaStanding[]> {
    return this.read((quota) => quota.use.prepareQuestionFor(keys));
  }

  private read(
    prepare: (quota: LimitInstance) => PreparedCharge | undefined,
  ): readonly QuotaStanding[] | Promise<readonly QuotaStanding[]> {
    const byName = new Map<string, PreparedCharge>();
    for (const quota of this.quotas) {
      const question = byName.has(quota.use.name) ? undefined : prepare(quota);
      if (question !== undefined) byName.set(quota.use.name, question);
    }
    const questions = [...byName.values()];
    const store = this.quotas[0]?.store;
    if (store === undefined || questions.length === 0) return [];
    const standings = store.charge(questions.map(({ charge }) => charge));
    const report = (all: readonly LimitStanding[]): QuotaStanding[] =>
      questions.map((question, i) => standingOf(question, all[i] as LimitStanding));
    return isPromise(standings) ? standings.then(report) : report(standings);
  }
}

function standingOf({ use, applied, charge }: PreparedCharge, { remaining }: LimitStanding): QuotaStanding {
  const { startsAt, endsAt } = charge.period as LimitPeriod;
  const { limit } = charge.rule;
  return {
    name: use.name,
    limit,
    used: limit - remaining,
    remaining,
    period: applied.calendar?.unit ?? '',
    timeZone: applied.calendar?.timeZone ?? '',
    startsAt: new Date(startsAt).toISOString(),
    resetsAt: new Date(endsAt).toISOString(),
  };
}

function reply(quotas: readonly QuotaStanding[]): Reply {
  return {
    status: 200,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    body: JSON.stringify({ quotas }),
  };
}
