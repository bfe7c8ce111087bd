import { HedgeBudget, RetryBudget } from './budget.ts';
import { type BreakerSettings, CircuitBreaker } from './circuit-breaker.ts';

export interface UpstreamStateSettings {
  /** Share of the requests under way that may be retries. */
  readonly retryBudget: number;
  /** Share of the requests that may be sent twice. */
  readonly hedgeBudget: number;
  readonly breaker: BreakerSettings | undefined;
}

/** What changes about an upstream as a whole at run time. It outlives reloads. */
export class UpstreamState {
  activeRequests = 0;
  readonly retryBudget: RetryBudget;
  readonly hedgeBudget: HedgeBudget;
  readonly breaker: CircuitBreaker | undefined;

  constructor({ retryBudget, hedgeBudget, breaker }: UpstreamStateSettings) {
    this.retryBudget = new RetryBudget(retryBudget);
    this.hedgeBudget = new HedgeBudget(hedgeBudget);
    this.breaker = breaker && new CircuitBreaker(breaker);
  }
}
