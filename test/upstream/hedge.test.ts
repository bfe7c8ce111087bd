import { describe, expect, it } from 'vitest';
import { StubClock } from '../observability/stub-clock.ts';
import {
  startGateway,
  startRawTarget,
  startTarget,
  type TestConfig,
  type TestGatewayOptions,
} from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { until } from '../support/until.ts';
import { metricsOf } from './gateway-metrics.ts';

type UpstreamInput = NonNullable<TestConfig['upstreams']>[string];

function startHedging(
  targets: readonly { url: string }[],
  upstream: UpstreamInput = {},
  options: TestGatewayOptions = {},
) {
  return startGateway(
    {
      upstreams: {
        service: {
          targets: targets.map(({ url }) => url),
          hedge: { after: '20ms', budget: '100%' },
          ...upstream,
        },
      },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    },
    options,
  );
}

const startHung = () => startRawTarget(() => {});

async function activeRequests({ gateway }: Awaited<ReturnType<typeof startHedging>>) {
  const { upstreams } = await gateway.describe();
  return upstreams[0]?.targets.map((target) => target.activeRequests);
}

describe('a hedged request', () => {
  it('is answered by the second target when the first takes long, and leaves the first', async () => {
    const [hung, quick] = [await startHung(), await startTarget()];
    const gateway = await startHedging([hung, quick]);
    expect((await fetch(gateway.url)).status).toBe(200);
    const socket = await hung.socket(0);
    await new Promise((resolve) =>
      socket.closed ? resolve(undefined) : socket.once('close', resolve).resume().end(),
    );
    expect(await activeRequests(gateway)).toEqual([0, 0]);
    expect(await metricsOf(gateway.adminPort)).toContain(
      'gateway_upstream_hedges_total{upstream="service"} 1',
    );
    expect(gateway.accessLog()[0]).toMatchObject({ target: `${LOOPBACK}:${quick.port}` });
  });

  it('is not sent twice when the first target is quick', async () => {
    const [first, second] = [await startTarget(), await startTarget()];
    const { url } = await startHedging([first, second], { hedge: { after: '10s' } });
    expect((await fetch(url)).status).toBe(200);
    expect([first.requests.length, second.requests.length]).toEqual([1, 0]);
  });

  it('is answered by the first target when the second breaks', async () => {
    const second = await startRawTarget((socket) => void socket.on('data', () => socket.destroy()));
    const first = await startTarget(async (_, response) => {
      const socket = await second.socket(0);
      if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
      response.end('first');
    });
    const gateway = await startHedging([first, second]);
    expect(await (await fetch(gateway.url)).text()).toBe('first');
    expect(await activeRequests(gateway)).toEqual([0, 0]);
  });

  it('fails when both do', async () => {
    const targets = [await startHung(), await startHung()];
    const gateway = await startHedging(targets, { timeouts: { response: '100ms' }, retries: { max: 0 } });
    expect((await fetch(gateway.url)).status).toBe(504);
    expect(await activeRequests(gateway)).toEqual([0, 0]);
  });

  it('leaves both targets when the client leaves', async () => {
    const targets = [await startHung(), await startHung()];
    const gateway = await startHedging(targets);
    const leaving = new AbortController();
    const answer = fetch(gateway.url, { signal: leaving.signal }).catch(() => 'left');
    for (const target of targets) await target.socket(0);
    leaving.abort();
    expect(await answer).toBe('left');
    while ((await activeRequests(gateway))?.some((count) => count > 0)) await new Promise(setImmediate);
  });

  it.each(['POST', 'PUT', 'DELETE'])('is never %s', async (method) => {
    const [slow, other] = [await startHung(), await startTarget()];
    const { url } = await startHedging([slow, other], {
      timeouts: { response: '100ms' },
      retries: { max: 0 },
    });
    expect((await fetch(url, { method })).status).toBe(504);
    expect(other.requests).toHaveLength(0);
  });

  it('stays within its budget', async () => {
    let asked = 0;
    const hung = await startRawTarget((socket) => socket.on('data', () => asked++));
    const clock = new StubClock();
    const settings = {
      hedge: { after: '20ms', budget: '5%' },
      timeouts: { response: '100ms' },
      retries: { max: 0 },
    };
    const { url } = await startHedging([hung, await startTarget()], settings, { clock });
    const hanging = async () => {
      const before = asked;
      const answer = fetch(url);
      await until(() => asked > before);
      clock.advance(20);
      return answer;
    };
    expect((await hanging()).status).toBe(200);
    // The targets take turns; of the requests that meet the one that hangs, one in six is within the budget.
    for (let i = 0; i < 3; i++) {
      const answer = hanging();
      await until(() => asked > i + 1);
      clock.advance(300);
      expect((await answer).status).toBe(504);
      expect((await fetch(url)).status).toBe(200);
    }
  });
});
