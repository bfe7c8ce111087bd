import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { RequestKey } from '../core/request-key.ts';
import type { LimitCharge, LimitStanding } from '../core/stores/limit-store.ts';
import { type AppliedLimit, quoteName } from './applied-limit.ts';
import type { UsageCost } from './usage-cost.ts';
import { wholeText } from './whole-text.ts';

export interface LimitUseOptions {
  /** As clients, logs and the admin API know it. */
  readonly name: string;
  readonly code: 'GW_RATE_LIMITED' | 'GW_QUOTA_EXCEEDED';
  readonly clock: Clock;
  readonly keyOf: RequestKey;
  /** The same of values that somebody names, `undefined` where they are not as many as are needed. */
  readonly keyFor: (values: readonly string[]) => string | undefined;
  /** Whether a request is not limited at all. */
  readonly isExempt: ((exchange: Exchange) => boolean) | undefined;
  /** The limit that holds for who is calling. */
  readonly limitFor: (key: string, exchange: Exchange | undefined) => AppliedLimit;
  /** Units of a request. May throw a `GatewayError`. */
  readonly costOf: (exchange: Exchange) => number;
  /** Where the real cost is read off the response, if it is. */
  readonly usage: UsageCost | undefined;
  /** Whether `X-RateLimit-*` is sent too. */
  readonly legacyHeaders: boolean;
  /** Whether a request may be made to wait. */
  readonly mayWait: boolean;
}

/** A charge, the limit that it is under, and the use in a list of policies that makes it. */
export interface PreparedCharge {
  readonly use: LimitUse;
  readonly applied: AppliedLimit;
  readonly charge: LimitCharge;
}

/** One use of a limit in a list of policies: knows what to charge, and what to say. */
export class LimitUse {
  readonly name: string;
  readonly code: LimitUseOptions['code'];
  readonly usage: UsageCost | undefined;
  readonly legacyHeaders: boolean;
  readonly mayWait: boolean;
  private readonly options: LimitUseOptions;
  private readonly quoted: string;
  private lastRejection: { readonly seconds: number; readonly error: GatewayError } | undefined = undefined;

  constructor(options: LimitUseOptions) {
    this.options = options;
    this.name = options.name;
    this.code = options.code;
    this.usage = options.usage;
    this.legacyHeaders = options.legacyHeaders;
    this.mayWait = options.mayWait;
    this.quoted = quoteName(options.name);
  }

  /** Says what a request is charged, `undefined` where it is not limited. Throws a `GatewayError` for a cost that is none. */
  prepare(exchange: Exchange, isObserved: boolean): PreparedCharge | undefined {
    if (this.options.isExempt?.(exchange) === true) return undefined;
    return this.prepareCost(exchange, this.options.costOf(exchange), isObserved);
  }

  /** Says what to ask the store for to learn how the client stands. */
  prepareQuestion(exchange: Exchange): PreparedCharge {
    return this.prepareCost(exchange, 0, false);
  }

  /** The same for the client of these keys. Of its plan nothing is known. */
  prepareQuestionFor(values: readonly string[]): PreparedCharge | undefined {
    const key = this.options.keyFor(values);
    return key === undefined ? undefined : this.prepareKey(key, undefined, 0, false);
  }

  /** The item of `RateLimit`. */
  standingItem(remaining: number, resetMs: number): string {
    return `${this.quoted};r=${wholeText(remaining)};t=${Math.ceil(resetMs / 1000)}`;
  }

  /** Seconds since 1970 at which the counter is as new. */
  resetsAt({ resetMs }: LimitStanding): number {
    return Math.ceil((this.options.clock.now() + resetMs) / 1000);
  }

  /** The response to a request that this limit rejects. */
  rejection({ retryAfterMs }: LimitStanding): GatewayError {
    const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
    // Refusing must cost less than what is rejected: the next one within the second gets the same response.
    if (this.lastRejection?.seconds !== seconds)
      this.lastRejection = { seconds, error: rejection(this.code, seconds, this.name) };
    return this.lastRejection.error;
  }

  private prepareCost(exchange: Exchange, cost: number, isObserved: boolean): PreparedCharge {
    return this.prepareKey(this.options.keyOf(exchange), exchange, cost, isObserved);
  }

  private prepareKey(
    key: string,
    exchange: Exchange | undefined,
    cost: number,
    isObserved: boolean,
  ): PreparedCharge {
    const { limitFor, clock } = this.options;
    const applied = limitFor(key, exchange);
    const period = applied.calendar?.periodAt(clock.now());
    return {
      use: this,
      applied,
      charge: { limit: applied.limit, key, rule: applied.rule, cost, period, isObserved },
    };
  }
}

/** The type that draft-ietf-httpapi-ratelimit-headers registers. */
const QUOTA_EXCEEDED = 'https://iana.org/assignments/http-problem-types#quota-exceeded';

function rejection(code: LimitUseOptions['code'], seconds: number, name: string): GatewayError {
  return new GatewayError(code, {
    headers: { 'retry-after': String(seconds) },
    type: QUOTA_EXCEEDED,
    members: { 'violated-policies': [name] },
    reason: name,
  });
}
