import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  describeRequest,
  rawRequest,
  startGateway,
  startTarget,
  type TestConfig,
} from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { until } from '../support/until.ts';

type Upstream = NonNullable<TestConfig['upstreams']>[string];

async function startSocketTarget(handler: RequestListener = describeRequest): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sp-'));
  const path = join(folder, 'app.sock');
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  return path;
}

function startWith(upstream: Upstream, route: object = {}) {
  return startGateway({
    upstreams: { service: upstream },
    routes: [{ id: 'all', path: '/*', upstream: 'service', ...route }],
  });
}

describe('a target at a socket file', () => {
  it.each(['unix:', 'unix://'])('gets requests and answers them (%s)', async (scheme) => {
    const path = await startSocketTarget();
    const { url } = await startWith({ targets: [`${scheme}${path}`] });
    const answer = await fetch(`${url}/a?b=c`, { method: 'POST', body: 'hello' });
    expect(await answer.json()).toMatchObject({ method: 'POST', url: '/a?b=c', body: 'hello' });
  });

  it.each([
    ['preserve', 'shop.example'],
    ['target', 'localhost'],
    ['orders.internal', 'orders.internal'],
  ])('sees the Host of hostHeader: %s', async (hostHeader, host) => {
    const path = await startSocketTarget();
    const { port } = await startWith({ targets: [`unix:${path}`] }, { hostHeader });
    const answer = await rawRequest(
      port,
      'GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n',
    );
    expect(answer).toContain(`"host":"${host}"`);
  });

  it.each([{ path: '/healthz' }, {}])('is checked there, and has its name in metrics (%j)', async (check) => {
    const path = await startSocketTarget();
    const active = { ...check, interval: '10ms', healthyAfter: 1, unhealthyAfter: 1 };
    const gateway = await startWith({ targets: [`unix:${path}`], health: { active } });
    const label = `gateway_upstream_target_healthy{upstream="service",target="unix:${path}"}`;
    await until(async () => (await readMetrics(gateway.adminPort)).includes(`${label} 1`));
  });

  it('is down where nobody listens', async () => {
    const active = { path: '/healthz', interval: '10ms', healthyAfter: 1, unhealthyAfter: 1 };
    const gateway = await startWith({ targets: ['unix:/nowhere/app.sock'], health: { active } });
    expect((await fetch(gateway.url)).status).toBe(503);
    await until(async () =>
      (await readMetrics(gateway.adminPort)).includes('target="unix:/nowhere/app.sock"} 0'),
    );
  });

  it.each([
    ['unix:app.sock', 'write it from the root'],
    ['unix:', 'write it from the root'],
    [`unix:/${'x'.repeat(120)}`, 'at most 107 bytes'],
    ['/run/app.sock', 'write unix:/run/app.sock'],
    ['http+unix:/run/app.sock', 'write it from the root'],
  ])('is refused with the remedy when it is written %s', async (url, remedy) => {
    await expect(startWith({ targets: [url] })).rejects.toThrow(remedy);
  });

  it('stands once in a list', async () => {
    await expect(startWith({ targets: ['unix:/a', 'unix:///a'] })).rejects.toThrow('the same as targets[0]');
    const two = await startWith({ targets: ['unix:/a', 'unix:/b'] });
    expect((await fetch(two.url)).status).toBe(503);
  });
});

describe('a target with a weight of 0', () => {
  const named: (name: string) => RequestListener = (name) => (_, response) => response.end(name);

  it.each(['round-robin', 'least-connections', 'two-choices', 'random', 'hash:header:x-tenant'])(
    'gets no requests (%s)',
    async (balance) => {
      const [drained, other] = [await startTarget(named('drained')), await startTarget(named('other'))];
      const { url } = await startWith({ targets: [{ url: drained.url, weight: 0 }, other.url], balance });
      for (let i = 0; i < 12; i++) {
        const answer = await fetch(url, { headers: { 'x-tenant': String(i) } });
        expect(await answer.text()).toBe('other');
      }
    },
  );

  it('gets none even when all others fail', async () => {
    const drained = await startTarget(named('drained'));
    const { url } = await startWith({ targets: [{ url: drained.url, weight: 0 }, 'http://127.0.0.1:1'] });
    for (let i = 0; i < 8; i++) expect((await fetch(url)).status).toBe(503);
    expect(drained.requests).toHaveLength(0);
  });

  it('keeps the clients that stick to it', async () => {
    const [drained, other] = [await startTarget(named('drained')), await startTarget(named('other'))];
    const before = { targets: [drained.url, other.url], sticky: { cookie: 'srv' } };
    const gateway = await startWith(before);
    const cookies = new Map<string, string>();
    while (cookies.size < 2) {
      const answer = await fetch(gateway.url);
      cookies.set(await answer.text(), (answer.headers.get('set-cookie') ?? '').split(';')[0] as string);
    }
    await gateway.rewrite({
      upstreams: { service: { ...before, targets: [{ url: drained.url, weight: 0 }, other.url] } },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    await gateway.gateway.reload();
    const ask = async (cookie?: string) =>
      (await fetch(gateway.url, { headers: cookie === undefined ? {} : { cookie } })).text();
    for (let i = 0; i < 4; i++) expect(await ask(cookies.get('drained'))).toBe('drained');
    for (let i = 0; i < 6; i++) expect(await ask()).toBe('other');
  });

  it('is refused where all have it, since nobody would get a request', async () => {
    const targets = [
      { url: 'http://127.0.0.1:1', weight: 0 },
      { url: 'http://127.0.0.1:2', weight: 0 },
    ];
    await expect(startWith({ targets })).rejects.toThrow('no target would get a request');
  });
});

async function readMetrics(adminPort: number): Promise<string> {
  return (await fetch(`http://${LOOPBACK}:${adminPort}/metrics`)).text();
}
