import type { LimitRule, LimitStanding, LimitStore } from '../core/stores/limit-store.ts';
import { applyRule } from './applied-limit.ts';

export interface RateLimiterOptions {
  /** Where the counters are: `services.limits` in a policy. */
  readonly store: LimitStore;
  /** Limits of one name and rule share their counters. */
  readonly name: string;
  readonly rule: LimitRule;
}

/** Counts requests of clients under one limit. */
export class RateLimiter {
  private readonly store: LimitStore;
  private readonly limit: string;
  private readonly rule: LimitRule;

  constructor({ store, name, rule }: RateLimiterOptions) {
    this.store = store;
    this.limit = applyRule(name, rule).limit;
    this.rule = rule;
  }

  /** Counts `cost` units of a client, unless that would exceed its limit, and says how it stands. */
  checkRateLimit(clientId: string, cost = 1): LimitStanding | Promise<LimitStanding> {
    const { store, limit, rule } = this;
    const standings = store.charge([{ limit, key: clientId, rule, cost }]);
    // One charge, one standing.
    const first = ([standing]: readonly LimitStanding[]): LimitStanding => standing as LimitStanding;
    return Array.isArray(standings) ? first(standings) : Promise.resolve(standings).then(first);
  }
}
