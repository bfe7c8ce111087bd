import { z } from 'zod';
import { type BodySource, EMPTY_BODY } from '../../src/core/body.ts';
import { BufferBudget } from '../../src/core/buffer-budget.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { Exchange } from '../../src/core/exchange.ts';
import { HeaderList, markField } from '../../src/core/header-list.ts';
import type { ResponseHead } from '../../src/core/message.ts';
import { mergePolicies } from '../../src/core/pipeline/merge-policies.ts';
import { compilePipeline, type Pipeline } from '../../src/core/pipeline/pipeline.ts';
import type { PipelineEntry } from '../../src/core/pipeline/policy-step.ts';
import { definePolicy, type Policy, type PolicyInstance } from '../../src/core/policy.ts';
import type { GatewayResponse } from '../../src/core/reply.ts';
import type { Services } from '../../src/core/services.ts';
import { SharedResources } from '../../src/core/shared-resources.ts';
import { MemoryCacheStore } from '../../src/stores/cache/memory-cache-store.ts';
import { MemoryIdempotencyStore } from '../../src/stores/idempotency/memory-idempotency-store.ts';
import { MemoryLimitStore } from '../../src/stores/memory-limit-store.ts';
import { MemoryOnceStore } from '../../src/stores/memory-once-store.ts';

export interface StubRequest {
  readonly method?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: BodySource;
  readonly clientAddress?: string;
}

/** A header list as the parser makes it: received lines with marks, nothing added. */
export function receivedHeaders(fields: readonly (readonly [string, string])[]): HeaderList {
  let raw = '';
  const marks: number[] = [];
  for (const [name, value] of fields) {
    const nameStart = raw.length;
    raw += `${name}: ${value}\r\n`;
    const valueStart = nameStart + name.length + 2;
    markField(
      marks,
      marks.length,
      raw,
      nameStart,
      nameStart + name.length,
      valueStart,
      valueStart + value.length,
    );
  }
  return HeaderList.received(raw, raw.length, marks);
}

export function stubExchange({
  method = 'GET',
  headers = [],
  body = EMPTY_BODY,
  clientAddress = '192.0.2.7',
}: StubRequest = {}): Exchange {
  const client = {
    remoteAddress: clientAddress,
    remotePort: 40_000,
    localPort: 8080,
    isSecure: false,
    serverName: undefined,
  };
  const exchange = new Exchange(
    {
      method,
      target: '/',
      httpVersion: '1.1',
      authority: 'api.example.com',
      headers: receivedHeaders(headers),
      body,
      upgrade: undefined,
      acceptsTrailers: false,
      client,
    },
    0,
  );
  exchange.requestId = 'request-1';
  exchange.path = '/';
  exchange.host = 'api.example.com';
  exchange.publicAuthority = 'api.example.com';
  exchange.clientAddress = clientAddress;
  exchange.route = { id: 'orders' };
  return exchange;
}

export function upstreamHead(
  headers: readonly (readonly [string, string])[] = [],
  status = 200,
): ResponseHead {
  return { status, reason: '', headers: receivedHeaders(headers), length: undefined };
}

/** Services whose log and counters can be read. */
export function stubServices(clock: Clock = systemClock) {
  const lines: { level: string; fields: Record<string, unknown>; message: string }[] = [];
  const counts = new Map<string, number>();
  const line = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, fields: fields as Record<string, unknown>, message });
  const kept = new SharedResources();
  const log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  const metrics: Services['metrics'] = {
    counter(name, _help, labels = {}) {
      const series = `${name} ${Object.values(labels).join(' ')}`;
      return { add: (amount = 1) => void counts.set(series, (counts.get(series) ?? 0) + amount) };
    },
    gauge: () => () => {},
  };
  const services: Services = {
    log,
    clock,
    metrics,
    limits: new MemoryLimitStore({ clock, log, metrics }),
    once: new MemoryOnceStore(clock),
    cache: new MemoryCacheStore(1 << 20, clock),
    idempotency: new MemoryIdempotencyStore(1 << 20, clock),
    bufferBody: () => undefined,
    jobs: { add: async () => {}, find: async () => undefined, allowsWebhook: () => undefined },
    random: () => 0.5,
    configFolder: '/',
    keep: (key, create, close) => kept.hold(key, create, close),
    upstream: () => ({
      send: () => undefined,
      ask: () => Promise.reject(new TypeError('there is no upstream')),
    }),
  };
  return { services, lines, counts };
}

/** An entry made of moments alone. */
export function entry(
  instance: PolicyInstance,
  { observe = false, ...policy }: Partial<Policy> & { observe?: boolean } = {},
): PipelineEntry {
  const defined = definePolicy({
    name: 'stub',
    options: z.unknown(),
    create: () => instance,
    refuses: true,
    ...policy,
  });
  return { policy: defined, id: defined.name, observe, instance };
}

/** A pipeline of entries, with what it logged and counted. */
export function stubPipeline(entries: readonly PipelineEntry[], budget = new BufferBudget()) {
  const { services, lines, counts } = stubServices();
  const pipeline = compilePipeline(mergePolicies(entries, []), { route: 'orders', ...services, budget });
  return { pipeline, lines, counts, budget };
}

/** A pipeline of real policies with options as written. */
export function policyPipeline(...uses: readonly (readonly [policy: Policy, options?: unknown])[]) {
  const { services } = stubServices();
  return stubPipeline(
    uses.map(([policy, options = {}]) => ({
      policy,
      id: policy.name,
      observe: false,
      instance: policy.create(policy.options.parse(options), services) as PolicyInstance,
    })),
  );
}

/** Messages of what is wrong with `options`, empty for none. */
export function problemsOf(policy: Policy, options: unknown): string[] {
  const { error } = policy.options.safeParse(options);
  return (error?.issues ?? []).map((issue) => {
    const own = issue.code === 'invalid_key' ? issue.issues[0] : issue;
    return `${issue.path.join('.')}: ${own?.message}`;
  });
}

/** Takes an exchange through a whole pipeline whose upstream answers `upstream`, and returns what the client gets. */
export async function runThrough(
  pipeline: Pipeline,
  exchange: Exchange,
  upstream: GatewayResponse = { head: upstreamHead(), body: EMPTY_BODY },
): Promise<GatewayResponse> {
  const reply = await pipeline.runRequest(exchange);
  if (reply !== undefined) return pipeline.runReply(exchange, reply);
  const body = await pipeline.runResponse(exchange, upstream.head, { openBody: () => upstream.body });
  return { head: upstream.head, body: body ?? upstream.body };
}
