import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { ADMIN_TOKEN } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { type PoolUnderTest, queryOnce, readValue, startWorkerPool } from './pool-of.ts';

/** A service whose answers are numbered, and stored for long. */
async function startCounting(): Promise<{ url: string; count(): number }> {
  let count = 0;
  const server: Server = createServer((request, response) => {
    request.resume();
    if (request.method !== 'GET') return void response.writeHead(204).end();
    response.writeHead(200, { 'cache-control': 'max-age=600', 'cache-tag': 'numbers' });
    response.end(`answer ${count++}`);
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://${LOOPBACK}:${(server.address() as AddressInfo).port}`, count: () => count };
}

const configOf = (target: string) => ({
  upstreams: { service: { targets: [target] } },
  routes: [{ id: 'all', path: '/*', upstream: 'service', policies: [{ cache: {} }] }],
});

/** Asks until each worker has stored it. */
async function fillBoth(pool: PoolUnderTest, service: { count(): number }): Promise<void> {
  const before = service.count();
  await until(async () => {
    await pool.ask('/a');
    return service.count() === before + 2;
  });
}

async function purge(pool: PoolUnderTest, body: object): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${pool.adminUrl}/api/cache/purge`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

it('a purge holds in all workers when it is answered, and the standing is that of all', async () => {
  const service = await startCounting();
  const pool = await startWorkerPool(configOf(service.url));
  await fillBoth(pool, service);
  expect(readValue(await pool.metrics(), 'gateway_cache_resources')).toBe(2);
  const shown = (await (await pool.admin('/api/cache')).json()) as Record<string, unknown>;
  expect(shown).toMatchObject({ resources: 2, maxBytes: 2 * 256 * 1024 * 1024 });
  expect(await purge(pool, { tag: 'numbers' })).toMatchObject({ status: 200, body: { reached: 2 } });
  const texts = await Promise.all(Array.from({ length: 20 }, () => pool.ask('/a')));
  expect(texts.filter(({ text }) => /answer [01]$/.test(text))).toEqual([]);
});

it('what an unsafe method changes is forgotten in all workers', async () => {
  const service = await startCounting();
  const pool = await startWorkerPool(configOf(service.url));
  await fillBoth(pool, service);
  await fetch(`${pool.url}/a`, { method: 'PUT', body: 'x' });
  await until(async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => pool.ask('/a')));
    return answers.every(({ text }) => !/answer [01]$/.test(text));
  });
});

it('a worker that does not respond before the timeout is named, and purges as soon as it turns', async () => {
  const service = await startCounting();
  const pool = await startWorkerPool(configOf(service.url));
  await fillBoth(pool, service);
  const pid = pool.pids().get(1) as number;
  process.kill(pid, 'SIGSTOP');
  const { status, body } = await purge(pool, { all: true });
  process.kill(pid, 'SIGCONT');
  expect(status).toBe(503);
  expect(body).toMatchObject({
    reached: 1,
    unreached: [expect.stringContaining('worker 1 did not respond')],
  });
  await until(async () => readValue(await pool.metrics(), 'gateway_cache_resources') === 0);
});

it('gateways of several workers each share what they store, and a purge reaches all by Redis', async () => {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.close());
  const service = await startCounting();
  const config = {
    ...configOf(service.url),
    redis: { url: redis.url, commandTimeout: '5s' },
    cache: { memory: '16MiB', redis: true },
  };
  const [one, other] = [await startWorkerPool(config), await startWorkerPool(config)];
  const ask = (pool: PoolUnderTest) =>
    Promise.all(Array.from({ length: 20 }, () => queryOnce(pool.gateway, '/a', { host: 'api.example.com' })));
  await ask(one);
  // What the first worker has written, the others find.
  await until(async () => {
    const before = service.count();
    await Promise.all([ask(one), ask(other)]);
    return service.count() === before && readValue(await other.metrics(), 'gateway_cache_resources') === 2;
  });
  const last = `answer ${service.count() - 1}`;
  await until(async () => ((await purge(one, { tag: 'none' })).body as { reached: number }).reached === 4);
  expect(await purge(one, { url: 'api.example.com/a' })).toMatchObject({
    status: 200,
    body: { reached: 4 },
  });
  const texts = (await Promise.all([ask(one), ask(other)])).flat().map(({ text }) => text);
  expect(texts).not.toContain(last);
  expect(readValue(await one.metrics(), 'gateway_cache_redis_available')).toBe(1);
});
