import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  readAll,
  startGateway,
  startTarget,
  type TestConfig,
  type TestGateway,
  type TestTarget,
} from '../support/harness.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { metricsOf } from '../upstream/gateway-metrics.ts';
import { scripts } from './fixtures/scripted-policy.ts';

const DURABLE = ['appendonly yes'];
const customPolicies = {
  'test/scripted': fileURLToPath(new URL('./fixtures/scripted-policy.ts', import.meta.url)),
};

afterEach(() => scripts.clear());

async function startRedis(config: readonly string[] = DURABLE): Promise<RedisServer> {
  const server = await RedisServer.start({ config });
  onTestFinished(() => server.close());
  return server;
}

interface Started {
  readonly gateway: TestGateway;
  readonly redis: RedisServer;
  readonly target: TestTarget;
  /** What the service got, in order. */
  readonly orders: {
    readonly headers: Record<string, unknown>;
    readonly body: string;
    readonly url: string;
  }[];
  configOf(options?: object): TestConfig;
}

/** Starts a gateway that accepts requests for a service, which answers 201 unless told otherwise, on a Redis that lasts. */
async function start(
  options: object = {},
  answering: (index: number) => { status: number; wait?: Promise<unknown> } | undefined = () => undefined,
): Promise<Started> {
  const redis = await startRedis();
  const orders: Started['orders'] = [];
  const target = await startTarget(async (request, response) => {
    const body = (await readAll(request)).toString();
    const index = orders.push({ headers: request.headers, body, url: request.url ?? '' }) - 1;
    const { status, wait } = answering(index) ?? { status: 201 };
    await wait;
    response.writeHead(status, { 'content-type': 'text/plain', 'x-order': String(index) });
    response.end(`order ${index}`);
  });
  // Whoever says so is that one.
  scripts.set('who', () => ({
    onRequest(exchange) {
      const subject = exchange.headers.get('x-who');
      if (subject !== undefined)
        exchange.identity = { subject, method: 'test', roles: ['buyer'], permissions: [], claims: {} };
    },
  }));
  const configOf = (more: object = options): TestConfig => ({
    redis: { url: redis.url, commandTimeout: '5s' },
    customPolicies,
    upstreams: { service: { targets: [target.url], retries: { max: 0 } } },
    routes: [
      {
        id: 'orders',
        path: '/orders/:id',
        upstream: 'service',
        rewrite: '/v1/{params.id}',
        policies: [{ 'test/scripted': { script: 'who' } }, { 'respond-async': more }],
      },
    ],
  });
  return { gateway: await startGateway(configOf()), redis, target, orders, configOf };
}

const ASYNC = { prefer: 'respond-async' };

async function accept(gateway: TestGateway, headers: Record<string, string> = ASYNC, path = '/orders/7?x=1') {
  const response = await fetch(gateway.url + path, { method: 'POST', headers, body: 'the order' });
  const text = await response.text();
  return { response, text, location: response.headers.get('location') ?? '' };
}

const look = (gateway: TestGateway, location: string, headers: Record<string, string> = {}) =>
  fetch(gateway.url + location, { headers });

/** Asks until the result is there. */
async function resultOf(gateway: TestGateway, location: string, headers: Record<string, string> = {}) {
  for (;;) {
    const response = await look(gateway, location, headers);
    const text = await response.text();
    if (response.headers.get('retry-after') === null) return { response, text };
    expect(response.status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ state: expect.stringMatching(/^(queued|running)$/) });
  }
}

describe('a request that prefers to be answered later', () => {
  test('is accepted with the place of its status, runs with its path, body and a key, and its result is fetched', async () => {
    let open = (): void => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    const { gateway, orders } = await start({}, () => ({ status: 201, wait: opened }));
    const { response, text, location } = await accept(gateway);
    expect(response.status).toBe(202);
    expect(location).toMatch(/^\/\.sallyport\/jobs\/[\w-]{30}$/);
    expect(response.headers.get('preference-applied')).toBe('respond-async');
    expect(response.headers.get('vary')).toMatch(/prefer/i);
    const id = location.split('/').at(-1);
    expect(JSON.parse(text)).toEqual({ id, state: 'queued' });
    await until(() => orders.length === 1);
    await until(async () => (await (await look(gateway, location)).text()).includes('running'));
    const running = await look(gateway, location);
    expect([running.status, running.headers.get('retry-after')]).toEqual([200, '1']);
    open();
    const result = await resultOf(gateway, location);
    expect(result.response.status).toBe(201);
    expect(result.response.headers.get('x-order')).toBe('0');
    expect(result.text).toBe('order 0');
    expect(orders).toMatchObject([{ url: '/v1/7?x=1', body: 'the order' }]);
    expect(orders[0]?.headers['idempotency-key']).toBe(`"${id}"`);
    expect(orders[0]?.headers).not.toHaveProperty('prefer');
    expect(await metricsOf(gateway.adminPort)).toContain('gateway_async_jobs{state="done"}');
  });

  test('is answered at once where it does not, or where it waits long enough', async () => {
    const { gateway } = await start();
    const plain = await accept(gateway, {});
    expect([plain.response.status, plain.text]).toEqual([201, 'order 0']);
    expect(plain.response.headers.get('vary')).toMatch(/prefer/i);
    expect((await accept(gateway, { prefer: 'wait=5' })).response.status).toBe(201);
    const waited = await accept(gateway, { prefer: 'respond-async, wait=20' });
    expect([waited.response.status, waited.text]).toEqual([201, 'order 2']);
    expect(waited.response.headers.get('preference-applied')).toBe('respond-async, wait=20');
  });

  test('needs not say so with when: always', async () => {
    const { gateway } = await start({ when: 'always' });
    const { response, location } = await accept(gateway, {});
    expect(response.status).toBe(202);
    expect((await resultOf(gateway, location)).text).toBe('order 0');
  });

  test('runs for the caller that was proven, whose credentials are stored nowhere, and with its own key', async () => {
    const { gateway, orders, redis } = await start();
    const secrets = {
      authorization: 'Bearer top-secret-token',
      cookie: 'session=top-secret-session',
      'x-api-key': 'top-secret-key',
    };
    const who = { ...ASYNC, 'x-who': 'ada', 'idempotency-key': '"own"' };
    const { location } = await accept(gateway, { ...who, ...secrets });
    const { response } = await resultOf(gateway, location, { 'x-who': 'ada' });
    expect(response.status).toBe(201);
    expect(orders[0]?.headers).toMatchObject({
      'x-auth-subject': 'ada',
      'x-auth-roles': 'buyer',
      'idempotency-key': '"own"',
    });
    const names = (await redis.command('KEYS', '*')) as string[];
    const jobs = names.filter((name) => name.includes(location.split('/').at(-1) as string));
    const dumped = await Promise.all(jobs.map((name) => redis.command('HGETALL', name)));
    expect(JSON.stringify(dumped)).toContain('subject');
    expect(JSON.stringify(dumped)).not.toContain('top-secret');
  });

  test('is shown to who sent it alone', async () => {
    const { gateway } = await start();
    const { location } = await accept(gateway, { ...ASYNC, 'x-who': 'ada' });
    await resultOf(gateway, location, { 'x-who': 'ada' });
    for (const headers of [{ 'x-who': 'bob' }, {}] as Record<string, string>[]) {
      const response = await look(gateway, location, headers);
      expect(response.status).toBe(404);
      expect(await response.text()).toContain('GW_JOB_UNKNOWN');
    }
    for (const other of [
      `${location.slice(0, -1)}!`,
      `${location}x`,
      '/.sallyport/jobs/',
      location.slice(0, -2),
    ])
      expect((await look(gateway, other, { 'x-who': 'ada' })).status).toBe(404);
    const posted = await fetch(gateway.url + location, { method: 'POST', headers: { 'x-who': 'ada' } });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });
});

describe('retries', () => {
  test('are made where the service is away, with the same key, and what it answers at last is the result', async () => {
    const { gateway, orders } = await start({ retries: 2 }, (index) => ({ status: index < 1 ? 503 : 201 }));
    const { location } = await accept(gateway);
    const { response } = await resultOf(gateway, location);
    expect(response.status).toBe(201);
    expect(new Set(orders.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
    expect(orders).toHaveLength(2);
  });

  test.each([
    [500, 1],
    [404, 1],
    [429, 1],
  ])('are not made for %i, which is the result', async (status, times) => {
    const { gateway, orders } = await start({}, () => ({ status }));
    const { location } = await accept(gateway);
    expect((await resultOf(gateway, location)).response.status).toBe(status);
    expect(orders).toHaveLength(times);
  });

  test('end with the last answer', async () => {
    const { gateway, orders } = await start({ retries: 1 }, () => ({ status: 502 }));
    const { location } = await accept(gateway);
    expect((await resultOf(gateway, location)).response.status).toBe(502);
    expect(orders).toHaveLength(2);
  });
});

describe('bounds', () => {
  test('hold for what is stored: a request body, and a response', async () => {
    const { gateway } = await start({ maxBody: '1KiB', maxResult: '4B' });
    const large = await fetch(`${gateway.url}/orders/1`, {
      method: 'POST',
      headers: ASYNC,
      body: 'x'.repeat(2000),
    });
    expect(large.status).toBe(413);
    const { location } = await accept(gateway);
    const { response, text } = await resultOf(gateway, location);
    expect([response.status, text.includes('GW_RESULT_TOO_LARGE')]).toEqual([502, true]);
  });
});

describe('Redis', () => {
  test.each([
    ['does not keep what it stores', ['appendonly no'], 'set appendonly yes'],
    [
      'evicts what it stores',
      ['appendonly yes', 'maxmemory 100mb', 'maxmemory-policy allkeys-lru'],
      'set maxmemory-policy noeviction',
    ],
  ])('that %s keeps the gateway from starting, with what to do', async (_, config, remedy) => {
    const redis = await startRedis(config);
    await expect(
      startGateway({
        redis: { url: redis.url },
        routes: [{ id: 'a', path: '/*', respond: { status: 200 }, policies: ['respond-async'] }],
      }),
    ).rejects.toThrow(remedy);
  });

  test('that is away lets nothing be accepted, at once, and what was accepted before runs when it is back', async () => {
    let open = (): void => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    const { gateway, redis } = await start({}, () => ({ status: 201, wait: opened }));
    const before = await Promise.all(Array.from({ length: 20 }, () => accept(gateway)));
    expect(before.every(({ response }) => response.status === 202)).toBe(true);
    await redis.kill();
    await until(async () => (await accept(gateway)).response.status === 503);
    expect((await accept(gateway)).text).toContain('GW_JOBS_UNAVAILABLE');
    expect(gateway.gateway.readiness().details.join()).toContain('requests that are to run later: 503');
    open();
    await redis.resume();
    await until(async () => (await accept(gateway)).response.status === 202);
    for (const { location } of before)
      await until(async () => (await look(gateway, location)).status === 201);
  });
});

test('a gateway that stops gives running requests back, and the next one answers all of them', async () => {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const { gateway, configOf, orders } = await start({}, () => ({ status: 201, wait: opened }));
  const accepted = await Promise.all(Array.from({ length: 30 }, () => accept(gateway)));
  await until(() => orders.length > 0);
  await gateway.close();
  open();
  const next = await startGateway(configOf());
  for (const { location } of accepted) expect((await resultOf(next, location)).response.status).toBe(201);
});
