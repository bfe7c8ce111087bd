import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { isPromise } from '../is-promise.ts';
import type { Reply } from '../message.ts';
import type { Policy, PolicyInstance } from '../policy.ts';
import type { Log, Metrics } from '../services.ts';
import type { PolicyUse } from './merge-policies.ts';
import { PolicyDecisions } from './policy-decisions.ts';
import { failureOf, type Outcome, readOutcome } from './read-outcome.ts';
import { withinTime } from './within-time.ts';

/** One use of a policy on one route, made and ready. The instance may serve several routes. */
export interface PipelineEntry extends PolicyUse {
  readonly policy: Pick<Policy, 'name' | 'combination' | 'position' | 'access' | 'refuses' | 'maxWaitMs'>;
  /** The entry's `id`, or the policy's name. */
  readonly id: string;
  /** Decide, log and count, but let pass. */
  readonly observe: boolean;
  readonly instance: PolicyInstance;
}

/** What a step is made with. */
export interface StepContext {
  /** The route's id, for metrics. */
  readonly route: string;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** An entry at its place in a pipeline, with what judges its outcomes. */
export class PolicyStep {
  readonly instance: PolicyInstance;
  /** `exchange.policiesRun` once this step has begun. */
  readonly rank: number;
  readonly isObserved: boolean;
  readonly refuses: boolean;
  readonly access: Policy['access'];
  readonly readsBody: boolean;
  /** Whether its code is not ours. */
  readonly isForeign: boolean;
  readonly decisions: PolicyDecisions;
  private readonly maxWaitMs: number;
  private readonly clock: Clock;
  private readonly id: string;
  private readonly log: Log;

  constructor(entry: PipelineEntry, rank: number, { route, log, metrics, clock }: StepContext) {
    this.instance = entry.instance;
    this.rank = rank;
    this.isObserved = entry.observe;
    this.refuses = entry.policy.refuses;
    this.access = entry.policy.access;
    this.readsBody = entry.instance.requestBody !== undefined;
    this.isForeign = entry.policy.name.includes('/');
    this.maxWaitMs = entry.policy.maxWaitMs;
    this.clock = clock;
    this.id = entry.id;
    this.log = log;
    const mode = entry.observe ? 'observe' : 'enforce';
    this.decisions = new PolicyDecisions(metrics, route, entry.id, mode);
  }

  /** Waits for a moment of the policy that takes a while. A rejection is a value, and so is that it takes too long. */
  async settle(pending: Promise<unknown>): Promise<Outcome> {
    try {
      const late = () => failureOf(new Error('took too long'));
      const { maxWaitMs, clock } = this;
      const given = await (maxWaitMs === 0 ? pending : withinTime(pending, maxWaitMs, clock, late));
      // A promise is resolved down to what is none.
      return readOutcome(given) as Outcome;
    } catch (error) {
      return failureOf(error);
    }
  }

  /** Counts what the policy decided and returns the response that comes of it. */
  judge(exchange: Exchange, outcome: Reply | GatewayError | undefined): Reply | GatewayError | undefined {
    if (outcome === undefined) {
      if (this.refuses) this.decisions.allow();
      return undefined;
    }
    if (!(outcome instanceof GatewayError)) {
      if (this.refuses) this.decisions.reject();
      return this.pass(exchange, outcome);
    }
    if (outcome.status >= 500) return this.fail(exchange, outcome);
    this.decisions.reject();
    return this.pass(exchange, outcome);
  }

  /** Counts and logs that the policy failed, and returns the response to that. */
  fail(exchange: Exchange, error: GatewayError): GatewayError | undefined {
    this.decisions.error();
    if (error.code === 'GW_POLICY_FAILED') {
      this.log.error({ ...this.place(exchange), err: error.cause }, 'policy failed');
    }
    return this.pass(exchange, error) as GatewayError | undefined;
  }

  /** Runs `onFinish`. A throw is logged, since there is nobody left to tell. */
  finish(exchange: Exchange): void {
    try {
      const given: unknown = this.instance.onFinish?.(exchange);
      if (isPromise(given)) Promise.resolve(given).catch((err: unknown) => this.failToFinish(exchange, err));
    } catch (err) {
      this.failToFinish(exchange, err);
    }
  }

  private failToFinish(exchange: Exchange, err: unknown): void {
    this.log.error({ ...this.place(exchange), err }, 'policy failed to finish');
  }

  /** Returns what is to be answered: the decision, or nothing where the policy only observes. */
  private pass(exchange: Exchange, decision: Reply | GatewayError): Reply | GatewayError | undefined {
    const isError = decision instanceof GatewayError;
    if (!this.isObserved) {
      if (isError) exchange.failure = decision;
      return decision;
    }
    const fields = { ...this.place(exchange), status: decision.status };
    this.log.info(isError ? { ...fields, code: decision.code } : fields, 'policy would have rejected');
    return undefined;
  }

  private place(exchange: Exchange): object {
    return { policy: this.id, route: exchange.route.id, requestId: exchange.requestId };
  }
}
