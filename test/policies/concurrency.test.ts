import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../src/core/exchange.ts';
import type { Pipeline } from '../../src/core/pipeline/pipeline.ts';
import type { PolicyInstance } from '../../src/core/policy.ts';
import { concurrency } from '../../src/policies/index.ts';
import {
  entry,
  policyPipeline,
  problemsOf,
  stubExchange,
  stubPipeline,
  stubServices,
} from '../core/stub-exchange.ts';
import { limitPipeline } from '../limits/limit-pipeline.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { RawClient, startGatewayTo, startTarget } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { hasResponses, readResponses } from '../support/raw-responses.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

it('refuses what comes while so many are under way, and lets in again when one is over', () => {
  const { pipeline } = policyPipeline([concurrency, { limit: 2 }]);
  const [first, second, third] = [stubExchange(), stubExchange(), stubExchange()];
  expect(pipeline.runRequest(first)).toBeUndefined();
  expect(pipeline.runRequest(second)).toBeUndefined();
  expect(pipeline.runRequest(third)).toMatchObject({ code: 'GW_CONCURRENCY_LIMIT', status: 503 });
  pipeline.runFinish(third);
  expect(pipeline.runRequest(stubExchange())).toMatchObject({ code: 'GW_CONCURRENCY_LIMIT' });
  pipeline.runFinish(first);
  expect(pipeline.runRequest(stubExchange())).toBeUndefined();
});

it('counts each use by itself', () => {
  const one = policyPipeline([concurrency, { limit: 1 }]).pipeline;
  const other = policyPipeline([concurrency, { limit: 1 }]).pipeline;
  expect(one.runRequest(stubExchange())).toBeUndefined();
  expect(other.runRequest(stubExchange())).toBeUndefined();
});

it('counts by key', () => {
  const { pipeline } = policyPipeline([concurrency, { limit: 1, key: 'header:x-tenant' }]);
  const of = (tenant: string) => stubExchange({ headers: [['x-tenant', tenant]] });
  const first = of('a');
  expect(pipeline.runRequest(first)).toBeUndefined();
  expect(pipeline.runRequest(of('a'))).toMatchObject({ code: 'GW_CONCURRENCY_LIMIT' });
  expect(pipeline.runRequest(of('b'))).toBeUndefined();
  pipeline.runFinish(first);
  expect(pipeline.runRequest(of('a'))).toBeUndefined();
});

describe('a queue', () => {
  it('lets in whoever has waited longest as others leave, and refuses beyond its length', async () => {
    const { pipeline } = policyPipeline([concurrency, { limit: 1, maxQueued: 2 }]);
    const exchanges = Array.from({ length: 4 }, () => stubExchange());
    const [first, second, third, fourth] = exchanges as [Exchange, Exchange, Exchange, Exchange];
    const results = exchanges.map((exchange) => pipeline.runRequest(exchange));
    expect(results[0]).toBeUndefined();
    expect(results[3]).toMatchObject({ code: 'GW_CONCURRENCY_LIMIT' });
    pipeline.runFinish(fourth);
    pipeline.runFinish(first);
    expect(await results[1]).toBeUndefined();
    const isThirdIn = Promise.resolve(results[2]).then(() => true);
    expect(await Promise.race([isThirdIn, Promise.resolve(false)])).toBe(false);
    pipeline.runFinish(second);
    expect(await results[2]).toBeUndefined();
    pipeline.runFinish(third);
    expect(pipeline.runRequest(stubExchange())).toBeUndefined();
  });

  it('refuses whoever has waited too long, and forgets whoever left meanwhile', async () => {
    const clock = new StubClock();
    const { services } = stubServices(clock);
    const options = concurrency.options.parse({ limit: 1, maxQueued: 5, maxWait: '2s' });
    const instance = concurrency.create(options, services) as PolicyInstance;
    const { pipeline } = stubPipeline([entry(instance, concurrency)]);
    const [first, gone, late] = [stubExchange(), stubExchange(), stubExchange()];
    pipeline.runRequest(first);
    const left = pipeline.runRequest(gone);
    const refused = pipeline.runRequest(late);
    pipeline.runFinish(gone);
    expect(await left).toMatchObject({ code: 'GW_CLIENT_CLOSED' });
    clock.advance(2000);
    expect(await refused).toMatchObject({ code: 'GW_CONCURRENCY_LIMIT' });
    pipeline.runFinish(late);
    pipeline.runFinish(first);
    expect(pipeline.runRequest(stubExchange())).toBeUndefined();
  });
});

/** Makes pipelines of one gateway, such as those before and after a reload. */
function pipelinesOf(...limits: readonly number[]): Pipeline[] {
  const { services } = stubServices();
  return limits.map((limit) => {
    const options = concurrency.options.parse({ limit, maxQueued: 3 });
    return stubPipeline([entry(concurrency.create(options, services) as PolicyInstance, concurrency)])
      .pipeline;
  });
}

describe('a queue that a reload finds', () => {
  it('lets nobody in until there is room under a lower limit', async () => {
    const [before, after] = pipelinesOf(3, 1) as [Pipeline, Pipeline];
    const underWay = [stubExchange(), stubExchange(), stubExchange()];
    for (const exchange of underWay) expect(before.runRequest(exchange)).toBeUndefined();
    let admitted = 0;
    const waiting = Promise.resolve(after.runRequest(stubExchange())).then(() => admitted++);
    for (const exchange of underWay) {
      await Promise.resolve();
      expect(admitted).toBe(0);
      before.runFinish(exchange);
    }
    await waiting;
  });

  it('goes in before who comes later under a higher limit', async () => {
    const [before, after] = pipelinesOf(1, 2) as [Pipeline, Pipeline];
    expect(before.runRequest(stubExchange())).toBeUndefined();
    const waiting = before.runRequest(stubExchange());
    const later = after.runRequest(stubExchange());
    expect(await waiting).toBeUndefined();
    expect(await Promise.race([later, Promise.resolve('waits')])).toBe('waits');
  });
});

it('makes nobody wait where it only observes, and logs who would find no place', () => {
  const { pipeline, lines } = limitPipeline([[concurrency, { limit: 1, maxQueued: 1, observe: true }]]);
  const exchanges = [stubExchange(), stubExchange(), stubExchange()];
  for (const exchange of exchanges) expect(pipeline.runRequest(exchange)).toBeUndefined();
  expect(lines.map(({ message }) => message)).toEqual(['policy would have rejected']);
  for (const exchange of exchanges) pipeline.runFinish(exchange);
  expect(pipeline.runRequest(stubExchange())).toBeUndefined();
  expect(lines.map(({ message }) => message)).toEqual(['policy would have rejected']);
});

it('goes on counting when a reload changes the limit', () => {
  const { services } = stubServices();
  const pipelineOf = (limit: number) => {
    const options = concurrency.options.parse({ limit });
    return stubPipeline([entry(concurrency.create(options, services) as PolicyInstance, concurrency)])
      .pipeline;
  };
  const [before, after] = [pipelineOf(1), pipelineOf(2)];
  const first = stubExchange();
  expect(before.runRequest(first)).toBeUndefined();
  expect(after.runRequest(stubExchange())).toBeUndefined();
  expect(after.runRequest(stubExchange())).toMatchObject({ code: 'GW_CONCURRENCY_LIMIT' });
  before.runFinish(first);
  expect(after.runRequest(stubExchange())).toBeUndefined();
});

it('needs a limit of at least one', () => {
  expect(problemsOf(concurrency, {})).not.toEqual([]);
  expect(problemsOf(concurrency, { limit: 0 })).not.toEqual([]);
});

it('answers 503 with Retry-After on real sockets, and counts a client that left no longer', async () => {
  let release: () => void = () => {};
  const target = await startTarget((_, response) => {
    release = () => response.end('x');
  });
  const { port } = await startGatewayTo(target, { policies: [{ concurrency: { limit: 1 } }] });
  const first = await RawClient.connect(port);
  first.write(GET);
  const second = await RawClient.connect(port);
  // The first may not have been read yet when the second is: then it is the one that is refused.
  second.write(GET);
  await Promise.race([first.until(hasResponses(1)), second.until(hasResponses(1))]);
  const [served, refused] = readResponses(first.received).length > 0 ? [second, first] : [first, second];
  expect(readResponses(refused.received)[0]).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
  served.destroy();
  let status = 503;
  while (status === 503) {
    const response = fetch(`http://${LOOPBACK}:${port}/`);
    const poll = setInterval(() => release(), 5);
    status = (await response).status;
    clearInterval(poll);
  }
  expect(status).toBe(200);
});
