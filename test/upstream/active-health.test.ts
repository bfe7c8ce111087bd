import { describe, expect, it } from 'vitest';
import {
  ADMIN_TOKEN,
  startGateway,
  startTarget,
  type TestConfig,
  type TestGateway,
} from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { metricsOf } from './gateway-metrics.ts';

type ActiveInput = NonNullable<NonNullable<NonNullable<TestConfig['upstreams']>[string]['health']>['active']>;

const QUICK: ActiveInput = { interval: '20ms', timeout: '1s', healthyAfter: 2, unhealthyAfter: 2 };

const configFor = (targets: readonly string[], active: ActiveInput): TestConfig => ({
  upstreams: { service: { targets: [...targets], health: { active: { ...QUICK, ...active } } } },
  routes: [{ id: 'all', path: '/*', upstream: 'service' }],
});

/** A target whose `/healthz` says what the test wants. */
async function startChecked() {
  const answer = { status: 200, body: 'all is well' };
  const target = await startTarget((request, response) => {
    if (request.url === '/healthz') response.writeHead(answer.status).end(answer.body);
    else response.end('served');
  });
  const served = () => target.requests.filter(({ url }) => url === '/').length;
  return { ...target, answer, served };
}

interface TargetView {
  readonly target: string;
  readonly state: string;
  readonly reason?: string;
}

async function targetsOf({ adminPort }: TestGateway): Promise<TargetView[]> {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  const response = await fetch(`http://${LOOPBACK}:${adminPort}/api/upstreams`, { headers });
  const { upstreams } = (await response.json()) as { upstreams: { targets: TargetView[] }[] };
  return upstreams[0]?.targets ?? [];
}

/** Asks the admin port until the first target is in this state. */
async function becomes(gateway: TestGateway, state: string): Promise<TargetView> {
  for (;;) {
    const [first] = await targetsOf(gateway);
    if (first?.state === state) return first;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('active checks', () => {
  it('take a target out that answers with another status, say why, and let it in again', async () => {
    const [sick, well] = [await startChecked(), await startChecked()];
    const gateway = await startGateway(configFor([sick.url, well.url], { path: '/healthz' }));
    sick.answer.status = 500;
    expect(await becomes(gateway, 'down')).toMatchObject({
      reason: '2 checks failed, the last one: status 500',
    });
    for (let i = 0; i < 4; i++) expect((await fetch(gateway.url)).status).toBe(200);
    expect(sick.served()).toBe(0);
    const series = `gateway_upstream_target_healthy{upstream="service",target="${LOOPBACK}:${sick.port}"}`;
    expect(await metricsOf(gateway.adminPort)).toContain(`${series} 0`);
    const ready = await fetch(`http://${LOOPBACK}:${gateway.adminPort}/readyz`);
    expect(await ready.json()).toMatchObject({
      details: ["upstream 'service': 1 of 2 targets get no requests"],
    });
    sick.answer.status = 204;
    await becomes(gateway, 'healthy');
    for (let i = 0; i < 4; i++) await fetch(gateway.url);
    expect(sick.served()).toBe(2);
    expect(await metricsOf(gateway.adminPort)).toContain(`${series} 1`);
    expect(gateway.log.lines().map(({ msg }) => msg)).toContain('target gets requests again');
  });

  it('read the body where they are told what it must hold', async () => {
    const target = await startChecked();
    const gateway = await startGateway(configFor([target.url], { path: '/healthz', body: 'is well' }));
    target.answer.body = 'all is lost';
    expect(await becomes(gateway, 'down')).toMatchObject({
      reason: '2 checks failed, the last one: the body does not hold what it should',
    });
    target.answer.body = `${'x'.repeat(1000)}is well`;
    await becomes(gateway, 'healthy');
  });

  it('take the statuses that they are told', async () => {
    const target = await startChecked();
    const gateway = await startGateway(configFor([target.url], { path: '/healthz', status: [204] }));
    await becomes(gateway, 'down');
    target.answer.status = 204;
    await becomes(gateway, 'healthy');
  });

  it('without a path look whether a connection comes about', async () => {
    const [gone, there] = [await startChecked(), await startChecked()];
    const gateway = await startGateway(configFor([gone.url, there.url], {}));
    await gone.close();
    expect((await becomes(gateway, 'down')).reason).toMatch(/ECONNREFUSED/);
    expect(there.requests).toHaveLength(0);
  });

  it('take everybody in when nobody is well', async () => {
    const target = await startChecked();
    const gateway = await startGateway(configFor([target.url], { path: '/healthz' }));
    target.answer.status = 500;
    await becomes(gateway, 'down');
    expect((await fetch(gateway.url)).status).toBe(200);
  });

  it('count a target that hangs as failed', async () => {
    const hung = await startTarget(() => {});
    const gateway = await startGateway(configFor([hung.url], { path: '/healthz', timeout: '20ms' }));
    expect((await becomes(gateway, 'down')).reason).toMatch(/no response within 20 ms/);
  });

  it('go on over a reload, with what is known', async () => {
    const target = await startChecked();
    const config = configFor([target.url], { path: '/healthz' });
    const gateway = await startGateway(config);
    target.answer.status = 500;
    await becomes(gateway, 'down');
    await gateway.rewrite({ ...config, forwarded: true });
    expect(await gateway.gateway.reload()).toMatchObject({ ok: true });
    expect((await targetsOf(gateway))[0]?.state).toBe('down');
    await gateway.rewrite({ ...config, upstreams: { service: { targets: [target.url] } } });
    expect(await gateway.gateway.reload()).toMatchObject({ ok: true });
    expect((await targetsOf(gateway))[0]?.state).toBe('healthy');
  });
});
