import { expect, it } from 'vitest';
import { concurrency } from '../../src/policies/index.ts';
import { policyPipeline, problemsOf, stubExchange } from '../core/stub-exchange.ts';
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
