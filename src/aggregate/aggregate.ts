import type { BufferBudget } from '../core/buffer-budget.ts';
import type { Clock } from '../core/clock.ts';
import type { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { Reply } from '../core/message.ts';
import type { Metrics } from '../core/services.ts';
import { compileJson } from '../template/json-template.ts';
import type { TemplateNames } from '../template/reference.ts';
import type { AggregatePlan } from './aggregate-plan.ts';
import { AggregateRun } from './aggregate-run.ts';
import { type Composer, runComposer } from './compose.ts';
import { fromParts, fromTemplate, replyWith, writeResponse } from './make-response.ts';
import { type AggregateConfig, compilePart, type Part, type PartUpstream } from './part.ts';
import { createPartCounts } from './part-counts.ts';

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
}

/** Compiles `aggregate` of a route. Throws `TypeError` for what cannot be. */
export function compileAggregate(config: AggregateConfig, place: AggregatePlace): Aggregate {
  const { clock, budget } = place;
  const plan: AggregatePlan = {
    parts: inOrder(compileParts(config, place)),
    limits: {
      clock,
      budget,
      deadlineMs: config.deadline,
      maxBodyBytes: config.maxBody,
      maxDepth: config.maxDepth,
      passesStatus: config.passStatus,
    },
    makeResponse: compileResponse(config, place),
  };
  return {
    upstreams: [...new Set(plan.parts.map(({ upstream }) => upstream.name))],
    respond: (exchange) => new AggregateRun(plan, exchange).start(),
  };
}

function compileParts(config: AggregateConfig, place: AggregatePlace): Part[] {
  const names = namesOf(config, place);
  return Object.entries(config.parts).map(([name, part]) =>
    compilePart(name, part, {
      names,
      upstream: place.findUpstream(part.upstream),
      counts: createPartCounts(place.metrics, place.route, name),
    }),
  );
}

function compileResponse(config: AggregateConfig, place: AggregatePlace): AggregatePlan['makeResponse'] {
  const { composer, clock } = place;
  if (composer !== undefined)
    return async (result) => replyWith(await runComposer(composer, result, clock), result);
  const write =
    config.response === undefined
      ? fromParts(Object.keys(config.parts))
      : fromTemplate(compileJson(config.response, namesOf(config, place)));
  return (result) => replyWith(writeResponse(write, result), result);
}

function namesOf({ parts }: AggregateConfig, { params }: AggregatePlace): TemplateNames {
  const entries = Object.entries(parts);
  const lists = entries.filter(([, { forEach }]) => forEach !== undefined);
  return { params, parts: entries.map(([name]) => name), lists: lists.map(([name]) => name) };
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
