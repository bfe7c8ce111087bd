import type { BufferBudget } from '../core/buffer-budget.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { Reply } from '../core/message.ts';
import type { Metrics } from '../core/services.ts';
import { compileJson } from '../template/json-template.ts';
import type { Reference, TemplateNames } from '../template/reference.ts';
import type { AggregatePlan } from './aggregate-plan.ts';
import { AggregateRun } from './aggregate-run.ts';
import { type Composer, runComposer } from './compose.ts';
import { fromParts, fromTemplate, replyWith, writeResponse } from './make-response.ts';
import { type AggregateConfig, compilePart, type Part, type PartCache, type PartUpstream } from './part.ts';
import { createPartCounts } from './part-counts.ts';
import { readRequestJson } from './request-body.ts';

/** One response out of those of several upstreams, as compiled for a route. */
export interface Aggregate {
  /** The upstreams that it asks. */
  readonly upstreams: readonly string[];
  /** Asks for the parts and gives the response. Never rejects but by a fault of ours. */
  respond(exchange: Exchange): Promise<Reply | GatewayError>;
}

/** What an aggregate is made with. */
export interface AggregatePlace {
  readonly route: string;
  readonly params: readonly string[];
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'counter'>;
  readonly budget: BufferBudget;
  /** The code of `compose`. */
  readonly composer: Composer<unknown> | undefined;
  /** Throws `TypeError` where there is none of that name. */
  findUpstream(name: string): PartUpstream;
  /** Makes where responses for parts are kept, apart for each value of these headers. */
  openCache(maxAgeMs: number, headers: readonly string[]): PartCache;
}

/** Compiles `aggregate` of a route. Throws `TypeError` for what cannot be. */
export function compileAggregate(config: AggregateConfig, place: AggregatePlace): Aggregate {
  const { clock, budget } = place;
  let readsBody = false;
  const onReference = ({ root }: Reference): void => {
    if (root === 'body') readsBody = true;
  };
  const names = { ...namesOf(config, place), onReference };
  const plan: AggregatePlan = {
    parts: inOrder(compileParts(config, names, place)),
    limits: {
      clock,
      budget,
      deadlineMs: config.deadline,
      maxBodyBytes: config.maxBody,
      maxDepth: config.maxDepth,
      maxRequestBytes: config.maxRequestBody,
      passesStatus: config.passStatus,
    },
    makeResponse: compileResponse(config, names, place),
  };
  return {
    upstreams: [...new Set(plan.parts.map(({ upstream }) => upstream.name))],
    respond: (exchange) =>
      readsBody ? respondToBody(plan, exchange) : new AggregateRun(plan, exchange).start(),
  };
}

/** The deadline is for what the gateway asks, not for how slowly a client sends. */
async function respondToBody(plan: AggregatePlan, exchange: Exchange): Promise<Reply | GatewayError> {
  const body = await readRequestJson(exchange, plan.limits);
  return body instanceof GatewayError ? body : new AggregateRun(plan, exchange, body).start();
}

function compileParts(config: AggregateConfig, names: TemplateNames, place: AggregatePlace): Part[] {
  return Object.entries(config.parts).map(([name, part]) =>
    compilePart(name, part, {
      names,
      upstream: place.findUpstream(part.upstream),
      counts: createPartCounts(place.metrics, place.route, name),
      openCache: (maxAgeMs, headers) => place.openCache(maxAgeMs, headers),
    }),
  );
}

function compileResponse(
  config: AggregateConfig,
  names: TemplateNames,
  { composer, clock }: AggregatePlace,
): AggregatePlan['makeResponse'] {
  if (composer !== undefined)
    return async (result) => replyWith(await runComposer(composer, result, clock), result);
  const write =
    config.response === undefined
      ? fromParts(Object.keys(config.parts))
      : fromTemplate(compileJson(config.response, names));
  return (result) => replyWith(writeResponse(write, result), result);
}

function namesOf({ parts }: AggregateConfig, { params }: AggregatePlace): TemplateNames {
  const entries = Object.entries(parts);
  const lists = entries.filter(([, { forEach }]) => forEach !== undefined);
  return { params, parts: entries.map(([name]) => name), lists: lists.map(([name]) => name), hasBody: true };
}

/** Puts each part behind those that it needs. Throws `TypeError` where parts wait for each other. */
function inOrder(parts: readonly Part[]): Part[] {
  const ordered = new Set<Part>();
  const add = (part: Part, waiting: readonly Part[]): void => {
    if (ordered.has(part)) return;
    if (waiting.includes(part)) throw new TypeError(`the part '${part.name}' waits for itself`);
    for (const other of parts) if (part.needs.includes(other.name)) add(other, [...waiting, part]);
    ordered.add(part);
  };
  for (const part of parts) add(part, []);
  return [...ordered];
}
