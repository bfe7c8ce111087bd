import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { EMPTY_BODY } from '../../src/core/body.ts';
import type { Exchange } from '../../src/core/exchange.ts';
import type { TargetRequest } from '../../src/core/message.ts';
import type { SendOptions } from '../../src/core/services.ts';
import { scripts } from '../gateway/fixtures/scripted-policy.ts';
import { CollectingSink } from '../support/collecting-sink.ts';
import { startGateway, startRawTarget, startTarget, type TestConfig } from '../support/harness.ts';
import { reserveNobody } from '../support/loopback.ts';
import { until } from '../support/until.ts';

type UpstreamInput = NonNullable<TestConfig['upstreams']>[string];

afterEach(() => scripts.clear());

/** A gateway whose policy answers with what the upstream `other` answers to a request of the policy's own. */
async function startAsking(
  targets: readonly { url: string }[],
  upstream: UpstreamInput = {},
  options?: SendOptions,
) {
  const sinks: CollectingSink[] = [];
  scripts.set('ask', ({ upstream: find }) => ({
    async onRequest(exchange: Exchange) {
      const request: TargetRequest = {
        method: 'GET',
        path: '/part',
        host: '',
        headers: exchange.headers.clone(),
        body: EMPTY_BODY,
        upgrade: undefined,
        acceptsTrailers: false,
        responseTimeoutMs: 1000,
      };
      const sink = new CollectingSink();
      sinks.push(sink);
      if (find?.('other').send(exchange, request, sink, options) === undefined) return { status: 418 };
      const { status = 599, body, error } = await sink.outcome;
      return { status, body: error?.code ?? body };
    },
  }));
  const gateway = await startGateway({
    customPolicies: {
      'test/scripted': fileURLToPath(new URL('../gateway/fixtures/scripted-policy.ts', import.meta.url)),
    },
    upstreams: { other: { targets: targets.map(({ url }) => url), ...upstream } },
    routes: [
      {
        id: 'all',
        path: '/*',
        respond: { status: 200 },
        policies: [{ 'test/scripted': { script: 'ask' } }],
      },
    ],
  });
  const activeRequests = async () => {
    const { upstreams } = await gateway.gateway.describe();
    return upstreams.flatMap((described) => described.targets.map((target) => target.activeRequests));
  };
  return { ...gateway, sinks, activeRequests };
}

const startAnswering = (status: number) =>
  startTarget((_, response) => response.writeHead(status).end(`status ${status}`));

describe("a request of a policy's own", () => {
  it('goes to another target when one cannot be reached, as that of a route does', async () => {
    const there = await startTarget((request, response) => response.end(request.headers.host));
    const { url, activeRequests } = await startAsking([await reserveNobody(), there]);
    for (let i = 0; i < 4; i++) {
      const response = await fetch(url);
      expect(response.status).toBe(200);
      expect(await response.text()).toBe(there.url.slice('http://'.length));
    }
    expect(await activeRequests()).toEqual([0, 0]);
  });

  it('goes to another target after an answer that is repeated', async () => {
    const [bad, good] = [await startAnswering(503), await startAnswering(200)];
    const { url } = await startAsking([bad, good]);
    expect(await (await fetch(url)).text()).toBe('status 200');
    expect(bad.requests).toHaveLength(1);
  });

  it('is sent once where the policy says so', async () => {
    const [bad, good] = [await startAnswering(503), await startAnswering(200)];
    const { url } = await startAsking([bad, good], {}, { once: true });
    expect((await fetch(url)).status).toBe(503);
    expect(good.requests).toHaveLength(0);
  });

  it('is sent to a second target when the first takes long', async () => {
    const { url } = await startAsking([await startRawTarget(() => {}), await startAnswering(200)], {
      hedge: { after: '20ms', budget: '100%' },
    });
    expect((await fetch(url)).status).toBe(200);
  });

  it('fails when its time is over, and frees its target', async () => {
    const { url, activeRequests } = await startAsking([await startRawTarget(() => {})], {
      timeouts: { response: '20ms' },
    });
    expect(await (await fetch(url)).text()).toBe('GW_UPSTREAM_TIMEOUT');
    expect(await activeRequests()).toEqual([0]);
  });

  it('counts for the breaker by itself, though several are made for one client', async () => {
    const { url } = await startAsking([await startAnswering(500)], {
      circuitBreaker: { minimumRequests: 2, failureRate: '50%', openFor: '1h' },
    });
    expect((await fetch(url)).status).toBe(500);
    expect((await fetch(url)).status).toBe(500);
    expect((await fetch(url)).status).toBe(418);
  });

  it('ends a breaking answer as broken, once', async () => {
    const broken = await startRawTarget((socket) => {
      socket.on('data', () =>
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', () => socket.destroy()),
      );
    });
    const { url, sinks, activeRequests } = await startAsking([broken]);
    expect(await (await fetch(url)).text()).toBe('GW_UPSTREAM_BROKEN');
    await until(() => sinks.length === 1);
    expect(sinks[0]?.lateCalls).toBe(0);
    expect(await activeRequests()).toEqual([0]);
  });
});
