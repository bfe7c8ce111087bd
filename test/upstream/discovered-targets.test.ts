import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startGateway, startTarget, type TestGateway } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
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
  const gateway = await startGateway(CONFIG, { files: { 'targets.json': listOf(first) } });
  expect((await fetch(gateway.url)).status).toBe(200);
  expect(first.requests).toHaveLength(1);
  await writeFile(join(gateway.folder, 'targets.json'), listOf(second));
  while (!(await targetsOf(gateway)).includes(`${LOOPBACK}:${second.port}`))
    await new Promise((resolve) => setImmediate(resolve));
  expect((await fetch(gateway.url)).status).toBe(200);
  expect(second.requests).toHaveLength(1);
  const metrics = await metricsOf(gateway.adminPort);
  expect(metrics).not.toContain(
    `gateway_upstream_target_healthy{upstream="service",target="${LOOPBACK}:${first.port}"}`,
  );
});

it('a reload goes on with the targets that are known', async () => {
  const target = await startTarget();
  const gateway = await startGateway(CONFIG, { files: { 'targets.json': listOf(target) } });
  await gateway.rewrite({ ...CONFIG, forwarded: true });
  expect(await gateway.gateway.reload()).toMatchObject({ ok: true });
  expect((await fetch(gateway.url)).status).toBe(200);
});
