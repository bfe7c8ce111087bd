import type { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import { isPromise } from '../../core/is-promise.ts';
import type { ResponseHead } from '../../core/message.ts';
import type { PolicyInstance, RequestOutcome, ResponseOutcome } from '../../core/policy.ts';
import { BodyCheck, replaceBody, responseTo } from './body-check.ts';
import { unsupported } from './body-fault.ts';
import type { JsonBodySpec } from './body-judge.ts';
import type { FailureCounts } from './failure-counts.ts';
import { type InputError, MAX_INPUT_ERRORS, rejectInput } from './input-error.ts';
import type { JsonJudge } from './json-judge.ts';
import { PlaceCheck } from './place-check.ts';
import type { RequestPlan } from './request-plan.ts';
import type { ResponseCheck } from './response-check.ts';

export interface RequestCheckOptions {
  readonly counts: FailureCounts;
  /** Whether it must not change requests. */
  readonly observes: boolean;
  readonly judgeOf: (spec: JsonBodySpec) => JsonJudge;
  readonly close: () => void;
  /** Judges responses as well, and rejects bad ones where it `enforces`. */
  readonly responses: ResponseCheck | undefined;
  readonly enforces: boolean;
}

/** Judges requests by one plan. */
export class RequestCheck implements PolicyInstance {
  readonly requestBody?: { readonly maxBytes: number };
  private readonly places: readonly PlaceCheck[];
  private readonly body: BodyCheck | undefined;
  private readonly takesNoBody: boolean;
  private readonly options: RequestCheckOptions;

  constructor({ places, body }: RequestPlan, options: RequestCheckOptions) {
    this.options = options;
    this.places = places.map((place) => new PlaceCheck(place));
    this.takesNoBody = body?.declared.length === 0;
    this.body = body === undefined || this.takesNoBody ? undefined : new BodyCheck(body, options.judgeOf);
    if (this.body !== undefined) this.requestBody = { maxBytes: this.body.plan.maxBytes };
  }

  close(): void {
    this.options.close();
  }

  onRequest(exchange: Exchange): RequestOutcome | Promise<RequestOutcome> {
    const judged = this.judge(exchange);
    const { responses, enforces, observes } = this.options;
    if (responses === undefined || !enforces || observes || exchange.request.upgrade !== undefined)
      return judged;
    if (isPromise(judged)) return judged.then((failure) => failure ?? responses.enforce(exchange));
    return judged ?? responses.enforce(exchange);
  }

  onResponse(exchange: Exchange, head: ResponseHead): ResponseOutcome {
    const { responses, enforces, observes } = this.options;
    return responses === undefined || (enforces && !observes) ? undefined : responses.observe(exchange, head);
  }

  /** Judges a request. What is not declared in it may be taken out. */
  private judge(exchange: Exchange): GatewayError | undefined | Promise<GatewayError | undefined> {
    if (this.takesNoBody && exchange.body.length !== 0) {
      this.options.counts.add(exchange.route.id, 'body');
      return unsupported('media-type', {});
    }
    const errors: InputError[] = [];
    let query: string | undefined;
    for (let i = 0; i < this.places.length; i++) {
      const verdict = (this.places[i] as PlaceCheck).judge(exchange);
      if (verdict.errors.length > 0) errors.push(...verdict.errors);
      query = verdict.query ?? query;
    }
    const judged = this.body?.judge(exchange);
    if (judged === undefined) return this.conclude(exchange, errors, query, { errors: [] });
    if (!isPromise(judged)) return this.conclude(exchange, errors, query, judged);
    return judged.then((verdict) => this.conclude(exchange, errors, query, verdict));
  }

  private conclude(
    exchange: Exchange,
    errors: readonly InputError[],
    query: string | undefined,
    verdict: Awaited<ReturnType<BodyCheck['judge']>>,
  ): GatewayError | undefined {
    const { counts, observes } = this.options;
    const { id } = exchange.route;
    const failure = responseTo(verdict);
    // What is wrong with parameters is said before a body that cannot be read at all.
    if (failure !== undefined && errors.length === 0) {
      counts.add(id, 'body');
      return failure;
    }
    const inBody = 'errors' in verdict && verdict.errors !== undefined ? verdict.errors : [];
    const all = inBody.length === 0 ? errors : [...errors, ...inBody];
    if (all.length > 0) {
      for (const place of new Set(all.map((error) => error.in))) counts.add(id, place);
      return rejectInput(all.slice(0, MAX_INPUT_ERRORS));
    }
    if (observes) return undefined;
    if (query !== undefined) exchange.query = query;
    if ('replaced' in verdict && verdict.replaced !== undefined) replaceBody(exchange, verdict.replaced);
    return undefined;
  }
}
