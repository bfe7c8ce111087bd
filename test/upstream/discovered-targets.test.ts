import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { createGateway } from '../../src/gateway/create-gateway.ts';
import { MemoryDestination } from '../observability/memory-destination.ts';
import { GatewayProcess } from '../support/gateway-process.ts';
import { startGateway, startTarget, type TestGateway } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { until } from '../support/until.ts';
import { ManualClock } from './discovery/manual-clock.ts';
import { metricsOf } from './gateway-metrics.ts';

const CONFIG = {
  upstreams: { service: { discovery: { file: './targets.json' } } },
  routes: [{ id: 'all', path: '/*', upstream: 'service' }],
};

const listOf = (...targets: { url: string }[]) => JSON.stringify({ targets: targets.map(({ url }) => url) });

async function targetsOf({ gateway }: TestGateway): Promise<string[]> {
  const { upstreams } = await gateway.describe();
  return upstreams[0]?.targets.map(({ target }) => target) ?? [];
}

it('requests go to the targets that are found, and to others when these change', async () => {
  const [first, second] = [await startTarget(), await startTarget()];
  // The time that a start waits for targets is never over.
  const clock = new ManualClock();
  const gateway = await startGateway(CONFIG, { files: { 'targets.json': listOf(first) }, clock });
  expect((await fetch(gateway.url)).status).toBe(200);
  expect(first.requests).toHaveLength(1);
  await writeFile(join(gateway.folder, 'targets.json'), listOf(second));
  await until(async () => {
    // Slowly, so that no idle connection is closed before the file has been read.
    await wait(5);
    clock.advance(20);
    return (await targetsOf(gateway)).includes(`${LOOPBACK}:${second.port}`);
  });
  expect((await fetch(gateway.url)).status).toBe(200);
  expect(second.requests).toHaveLength(1);
  const metrics = await metricsOf(gateway.adminPort);
  expect(metrics).not.toContain(
    `gateway_upstream_target_healthy{upstream="service",target="${LOOPBACK}:${first.port}"}`,
  );
});

it('a gateway starts though no discovery answers, and waits for all of them together', async () => {
  const clock = new ManualClock();
  const file = (name: string) => ({ discovery: { file: `./${name}.json` } });
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-discovery-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const configFile = join(folder, 'sallyport.json');
  const upstreams = { one: file('one'), two: file('two'), three: file('three') };
  const routes = Object.keys(upstreams).map((name) => ({ id: name, path: `/${name}`, upstream: name }));
  const ports = {
    listeners: [{ host: LOOPBACK, port: 0 }],
    admin: { host: LOOPBACK, port: 0, token: 'x'.repeat(16) },
  };
  await writeFile(configFile, JSON.stringify({ ...ports, upstreams, routes }));
  const logDestination = new MemoryDestination();
  const gateway = await createGateway({ configFile, env: {}, clock, watch: false, logDestination });
  const started = gateway.start();
  onTestFinished(() => gateway.close({ delayMs: 0 }));
  const waits = (): number => clock.planned().filter((delayMs) => delayMs === 2000).length;
  await until(() => waits() === 3);
  clock.advance(2000);
  await started;
  expect((await gateway.inject({ url: '/three' })).status).toBe(503);
});

it('a process in which nothing but a discovery is awaited does not end', async () => {
  const gateway = await GatewayProcess.start(CONFIG);
  expect((await fetch(`http://${LOOPBACK}:${gateway.port}/`)).status).toBe(503);
});

it('a reload goes on with the targets that are known', async () => {
  const target = await startTarget();
  const clock = new ManualClock();
  const gateway = await startGateway(CONFIG, { files: { 'targets.json': listOf(target) }, clock });
  await gateway.rewrite({ ...CONFIG, forwarded: true });
  expect(await gateway.gateway.reload()).toMatchObject({ ok: true });
  expect((await fetch(gateway.url)).status).toBe(200);
});
