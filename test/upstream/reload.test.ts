import { expect, it } from 'vitest';
import { StubClock } from '../observability/stub-clock.ts';
import { startGateway, startTarget } from '../support/harness.ts';

it('a reload keeps what is known: who is ejected, and that the breaker is open', async () => {
  const [bad, good] = [
    await startTarget((_, response) => response.writeHead(500).end()),
    await startTarget(),
  ];
  const config = {
    upstreams: {
      ejecting: { targets: [bad.url, good.url], health: { passive: { failures: 1 } } },
      breaking: { targets: [bad.url], circuitBreaker: { minimumRequests: 2 } },
    },
    routes: [
      { id: 'ejecting', path: '/ejecting', upstream: 'ejecting' },
      { id: 'breaking', path: '/breaking', upstream: 'breaking' },
    ],
  };
  const { gateway, url, rewrite } = await startGateway(config, { clock: new StubClock() });
  for (const path of ['/ejecting', '/breaking', '/breaking'])
    expect((await fetch(url + path)).status).toBe(500);
  const known = async () => {
    const { upstreams } = await gateway.describe();
    return [upstreams[0]?.targets[0]?.state, upstreams[1]?.breaker];
  };
  expect(await known()).toEqual(['ejected', 'open']);
  await rewrite({ ...config, forwarded: true });
  expect(await gateway.reload()).toMatchObject({ ok: true });
  expect(await known()).toEqual(['ejected', 'open']);
  const refused = await fetch(`${url}/breaking`);
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({ code: 'GW_UPSTREAM_SUSPENDED' });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(10);
});
