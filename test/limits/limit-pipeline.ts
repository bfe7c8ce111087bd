import type { BodySource } from '../../src/core/body.ts';
import type { Exchange } from '../../src/core/exchange.ts';
import type { Identity } from '../../src/core/identity/identity.ts';
import type { Policy, PolicyInstance } from '../../src/core/policy.ts';
import type { LimitStore } from '../../src/core/stores/limit-store.ts';
import { stubExchange, stubPipeline, stubServices, upstreamHead } from '../core/stub-exchange.ts';
import { StubClock } from '../observability/stub-clock.ts';

/** A use of a policy: options as written, `observe` and `id` among them. */
export type LimitEntry = readonly [policy: Policy, options?: Readonly<Record<string, unknown>>];

export interface LimitPipelineOptions {
  readonly store?: LimitStore;
  /** Empty for the top-level list. */
  readonly route?: string;
}

/** A pipeline of limits on a clock that moves only when told to, and what asks through it. */
export function limitPipeline(
  entries: readonly LimitEntry[],
  { store, route = 'orders' }: LimitPipelineOptions = {},
) {
  const clock = new StubClock();
  const { services, counts: storeCounts } = stubServices(clock);
  const limits = store ?? services.limits;
  const instances: PolicyInstance[] = [];
  const { pipeline, lines, counts } = stubPipeline(
    entries.map(([policy, { id, observe = false, ...written } = {}]) => {
      const name = typeof id === 'string' ? id : undefined;
      const place = { route: route === '' ? undefined : route, id: name };
      const options = policy.options.parse(written);
      const instance = policy.create(
        options,
        { ...services, ...(limits && { limits }) },
        place,
      ) as PolicyInstance;
      instances.push(instance);
      return { policy, id: name ?? policy.name, observe: observe === true, instance };
    }),
  );
  /** Takes an exchange through, and tells what the client gets. The upstream answers `head` and `body`. */
  const ask = async (
    exchange: Exchange = stubExchange(),
    head = upstreamHead(),
    body?: BodySource,
  ): Promise<{ status: number; headers: Record<string, string>; text: string }> => {
    const reply = await pipeline.runRequest(exchange);
    const answer =
      reply === undefined
        ? await pipeline.runReply(exchange, {
            status: head.status,
            headers: head.headers,
            ...(body && { body }),
          })
        : await pipeline.runReply(exchange, reply);
    const text = await readText(answer.body);
    pipeline.runFinish(exchange);
    const headers = Object.fromEntries(
      answer.head.headers
        .toLines()
        .split('\r\n')
        .filter(Boolean)
        .map((line) => [
          line.slice(0, line.indexOf(':')).toLowerCase(),
          line.slice(line.indexOf(':') + 1).trim(),
        ]),
    );
    return { status: answer.head.status, headers, text };
  };
  return { pipeline, clock, lines, counts, storeCounts, ask, instances, store: limits as LimitStore };
}

/** A request of somebody. */
export function exchangeOf(
  identity: Partial<Identity>,
  headers: readonly (readonly [string, string])[] = [],
) {
  const exchange = stubExchange({ headers });
  exchange.identity = { subject: 'ann', roles: [], permissions: [], method: 'jwt', claims: {}, ...identity };
  return exchange;
}

function readText(body: BodySource): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    body.pipe({
      write: (chunk) => chunks.push(Buffer.from(chunk)) > 0,
      end: () => resolve(Buffer.concat(chunks).toString()),
      abort: reject,
    });
  });
}
