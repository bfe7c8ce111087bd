import type { BodySource } from '../body.ts';
import type { BufferBudget } from '../buffer-budget.ts';
import { GatewayError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { isPromise } from '../is-promise.ts';
import type { Reply, ResponseHead } from '../message.ts';
import type { PolicyInstance } from '../policy.ts';
import type { GatewayResponse } from '../reply.ts';
import { attemptRequest } from './attempt-request.ts';
import { bufferRequestBody, releaseRequestBody } from './buffer-request-body.ts';
import { joinNeighbours } from './join-neighbours.ts';
import { type PipelineEntry, PolicyStep, type StepContext } from './policy-step.ts';
import { failureOf, type Outcome } from './read-outcome.ts';
import { applyOutcome, attemptResponse, type BodyHolder, responseOf } from './response-outcome.ts';

/** What comes of the request moment: an answer, a failure to be answered, or nothing, so that the upstream is asked. */
export type RequestResult = Reply | GatewayError | undefined;

/** What a pipeline is compiled with. */
export interface PipelineContext extends StepContext {
  /** Shared by all pipelines of the process. */
  readonly budget: BufferBudget;
}

/** Compiles the list that `mergePolicies` made into what a route runs. */
export function compilePipeline(entries: readonly PipelineEntry[], context: PipelineContext): Pipeline {
  const firsts = entries.filter(({ policy }) => policy.position === 'first').length;
  const steps = joinNeighbours(entries).map((entry, i) => {
    // All `first` policies begin together, so that each of them sees every response.
    const rank = Math.max(i + 1, firsts);
    return new PolicyStep(entry, rank, context);
  });
  return new Pipeline(steps, firsts, context.budget);
}

/**
 * Runs the policies of one route: what is synchronous runs without a promise or an allocation, and a moment that a
 * policy does not have costs nothing.
 *
 * Nothing here throws or rejects: whatever a policy does wrong becomes a `GatewayError`, never the upstream's response.
 */
export class Pipeline {
  /** The largest request body that this route takes because a policy reads it whole; `undefined` where none does. */
  readonly maxBodyBytes: number | undefined;
  /** Whether any policy looks at requests. */
  readonly decides: boolean;
  private readonly requestSteps: readonly PolicyStep[];
  private readonly responseSteps: readonly PolicyStep[];
  private readonly finishSteps: readonly PolicyStep[];
  private readonly firsts: number;
  private readonly allRun: number;
  private readonly budget: BufferBudget;
  /** By rank; made when a policy first asks for one. */
  private rests: Map<number, Pipeline> | undefined = undefined;

  constructor(steps: readonly PolicyStep[], firsts: number, budget: BufferBudget) {
    this.requestSteps = stepsWith(steps, ({ instance, readsBody }) => readsBody || instance.onRequest);
    this.decides = this.requestSteps.length > 0;
    this.responseSteps = stepsWith(steps, ({ instance }) => instance.onResponse);
    this.finishSteps = stepsWith(steps, ({ instance }) => instance.onFinish);
    this.firsts = firsts;
    this.allRun = steps.at(-1)?.rank ?? 0;
    this.budget = budget;
    // The smallest one: a body above it would be rejected when its policy is reached.
    const limits = steps.flatMap(({ instance }) => instance.requestBody?.maxBytes ?? []);
    this.maxBodyBytes = limits.length === 0 ? undefined : Math.min(...limits);
  }

  /**
   * The policies behind the one of this rank, as a pipeline for an exchange that goes on apart. Throws `TypeError` for a
   * `first` policy: those behind it have begun together with it, and see the response anyhow.
   */
  after(rank: number): Pipeline {
    if (rank <= this.firsts) throw new TypeError("a policy of position 'first' has no rest to proceed to");
    let rest = this.rests?.get(rank);
    if (rest === undefined) {
      const steps = new Set([...this.requestSteps, ...this.responseSteps, ...this.finishSteps]);
      const behind = [...steps].filter((step) => step.rank > rank).sort((a, b) => a.rank - b.rank);
      rest = new Pipeline(behind, 0, this.budget);
      this.rests ??= new Map();
      this.rests.set(rank, rest);
    }
    return rest;
  }

  /** Counts the body that `exchange` has got from another one, which may end before it. Says why it cannot be held. */
  holdBody(exchange: Exchange): GatewayError | undefined {
    const bytes = exchange.bodyBytes?.length ?? 0;
    if (bytes === 0) return undefined;
    if (!this.budget.take(bytes)) return new GatewayError('GW_BUFFERS_FULL');
    exchange.bufferedBytes = bytes;
    return undefined;
  }

  /** Runs `onRequest` of each policy until one answers. The promise, where there is one, never rejects. */
  runRequest(exchange: Exchange): RequestResult | Promise<RequestResult> {
    return this.requestFrom(0, exchange);
  }

  /**
   * Runs `onResponse` of the policies that have begun, in reverse order. They change `head` in place. Returns the
   * body to send in place of the one that `holder` holds, if any; what it replaces is consumed or cancelled.
   */
  runResponse(
    exchange: Exchange,
    head: ResponseHead,
    holder: BodyHolder,
  ): BodySource | undefined | Promise<BodySource | undefined> {
    return this.responseFrom(this.responseSteps.length - 1, exchange, head, holder, undefined);
  }

  /**
   * Makes the response to a reply or failure of the gateway's own, and takes it through `runResponse`. Where it comes
   * before `runRequest`, as for a path that is not valid, the `first` policies see it nevertheless.
   */
  runReply(exchange: Exchange, reply: Reply | GatewayError): GatewayResponse | Promise<GatewayResponse> {
    if (exchange.policiesRun === 0) exchange.policiesRun = this.firsts;
    if (reply instanceof GatewayError) exchange.failure = reply;
    const response = responseOf(exchange, reply);
    const body = this.runResponse(exchange, response.head, { openBody: () => response.body });
    if (body === undefined) return response;
    if (!isPromise(body)) return { head: response.head, body };
    return body.then((changed) => ({ head: response.head, body: changed ?? response.body }));
  }

  /** Tells whether nothing is left to do for an exchange whose response has begun as the policies have made it. */
  isDoneWith(exchange: Exchange): boolean {
    for (const { rank } of this.finishSteps) if (rank <= exchange.policiesRun) return false;
    return exchange.bufferedBytes === 0 && exchange.body === exchange.request.body;
  }

  /** Runs `onFinish` of every policy that has begun, once, and frees what the exchange holds. */
  runFinish(exchange: Exchange): void {
    const ran = exchange.policiesRun;
    if (ran < 0) return;
    exchange.policiesRun = -1;
    for (let i = 0; i < this.finishSteps.length; i++) {
      const step = this.finishSteps[i] as PolicyStep;
      if (step.rank <= ran) step.finish(exchange);
    }
    if (exchange.bufferedBytes > 0) releaseRequestBody(exchange, this.budget);
  }

  /** Runs `onRequest` of the policies with this access alone, as a question: nothing else of the exchange happens. */
  async runAccess(access: 'identifies' | 'authorizes', exchange: Exchange): Promise<RequestResult> {
    for (const step of this.requestSteps) {
      if (step.access !== access) continue;
      const made = attemptRequest(step, exchange);
      const result = step.judge(exchange, decisionOf(isPromise(made) ? await made : made));
      if (result !== undefined) return result;
    }
    return undefined;
  }

  private requestFrom(start: number, exchange: Exchange): RequestResult | Promise<RequestResult> {
    const steps = this.requestSteps;
    for (let i = start; i < steps.length; i++) {
      const step = steps[i] as PolicyStep;
      if (step.readsBody && exchange.bodyBytes === undefined) {
        const reading = bufferRequestBody(exchange, this.maxBodyBytes as number, this.budget);
        if (reading !== undefined) return this.requestAfterBody(i, exchange, reading);
      } else if (step.readsBody && (exchange.bodyBytes?.length ?? 0) > (this.maxBodyBytes as number)) {
        // Read by a policy that takes more.
        exchange.failure = new GatewayError('GW_BODY_TOO_LARGE');
        return exchange.failure;
      }
      exchange.policiesRun = step.rank;
      const outcome = attemptRequest(step, exchange);
      if (isPromise(outcome)) return this.requestAfter(i, exchange, outcome);
      const result = step.judge(exchange, decisionOf(outcome));
      if (result !== undefined) return result;
    }
    exchange.policiesRun = this.allRun;
    return undefined;
  }

  private async requestAfter(i: number, exchange: Exchange, pending: Promise<Outcome>) {
    const step = this.requestSteps[i] as PolicyStep;
    const outcome = await pending;
    if (isFinished(exchange)) return new GatewayError('GW_CLIENT_CLOSED');
    const result = step.judge(exchange, decisionOf(outcome));
    return result ?? this.requestFrom(i + 1, exchange);
  }

  private async requestAfterBody(i: number, exchange: Exchange, pending: Promise<GatewayError | undefined>) {
    const failure = await pending;
    if (isFinished(exchange)) {
      releaseRequestBody(exchange, this.budget);
      return new GatewayError('GW_CLIENT_CLOSED');
    }
    if (failure === undefined) return this.requestFrom(i, exchange);
    exchange.failure = failure;
    return failure;
  }

  private responseFrom(
    start: number,
    exchange: Exchange,
    head: ResponseHead,
    holder: BodyHolder,
    changed: BodySource | undefined,
  ): BodySource | undefined | Promise<BodySource | undefined> {
    let body = changed;
    for (let i = start; i >= 0; i--) {
      const step = this.responseSteps[i] as PolicyStep;
      if (step.rank > exchange.policiesRun) continue;
      const outcome = attemptResponse(step, exchange, head);
      if (isPromise(outcome)) return this.responseAfter(i, exchange, head, holder, body, outcome);
      if (outcome === undefined && !step.isForeign) continue;
      body = applyOutcome(step, exchange, head, holder, body, outcome);
    }
    return body;
  }

  private async responseAfter(
    i: number,
    exchange: Exchange,
    head: ResponseHead,
    holder: BodyHolder,
    body: BodySource | undefined,
    pending: Promise<unknown>,
  ) {
    const step = this.responseSteps[i] as PolicyStep;
    const outcome = await step.settle(pending);
    if (isFinished(exchange)) return body;
    const next = applyOutcome(step, exchange, head, holder, body, outcome);
    return this.responseFrom(i - 1, exchange, head, holder, next);
  }
}

const NO_STEPS: readonly PolicyStep[] = [];

/** Gives the steps that have a moment. There are three lists for each route, so they share, and none has room to spare. */
function stepsWith(steps: readonly PolicyStep[], has: (step: PolicyStep) => unknown): readonly PolicyStep[] {
  const found = steps.filter(has);
  if (found.length === 0) return NO_STEPS;
  return found.length === steps.length ? steps : found.slice();
}

/** Closes each instance once, though it serve several routes. Rejects with all errors when every one was tried. */
export async function closePolicies(instances: Iterable<PolicyInstance>): Promise<void> {
  const closing = [...new Set(instances)].map(async (instance) => instance.close?.());
  const errors = (await Promise.allSettled(closing)).flatMap((result) =>
    result.status === 'rejected' ? [result.reason] : [],
  );
  if (errors.length > 0) throw new AggregateError(errors, 'policies failed to close');
}

/** A body map says nothing about a request. */
function decisionOf(outcome: Outcome): Reply | GatewayError | undefined {
  if (outcome === undefined || !('mapBody' in outcome)) return outcome;
  return failureOf(new TypeError('a policy returned mapBody in onRequest, where there is no response yet'));
}

function isFinished(exchange: Exchange): boolean {
  return exchange.policiesRun < 0;
}
