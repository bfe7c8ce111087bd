import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { IdempotencyStore } from '../../src/core/stores/idempotency-store.ts';
import { startWorkerPool } from '../supervisor/pool-of.ts';
import { ADMIN_TOKEN, startGateway, startTarget, type TestConfig } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { scripts } from './fixtures/scripted-policy.ts';

const SCRIPTED = fileURLToPath(new URL('./fixtures/scripted-policy.ts', import.meta.url));

/** A service that takes a while over each order, and numbers them. */
async function startOrders() {
  const asked: string[] = [];
  const target = await startTarget((incoming, response) => {
    const number = asked.push(String(incoming.headers['idempotency-key']));
    incoming.resume().once('end', () => {
      response.writeHead(201, { 'set-cookie': 'session=secret-of-the-response' });
      response.end(`order ${number}, and a secret-of-the-body`);
    });
  });
  return { asked, url: target.url };
}

const configOf = (url: string, options: object = {}): TestConfig => ({
  upstreams: { service: { targets: [url] } },
  routes: [{ id: 'all', path: '/*', upstream: 'service', policies: [{ 'idempotency-key': options }] }],
});

interface Got {
  readonly status: number;
  readonly text: string;
  readonly isReplay: boolean;
}

function post(port: number, key: string, body = 'x'): Promise<Got> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'api.example.com', 'idempotency-key': key };
    request({ host: LOOPBACK, port, path: '/orders', method: 'POST', headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.once('end', () => {
        const isReplay = response.headers['idempotency-replayed'] === 'true';
        resolve({ status: response.statusCode ?? 0, text, isReplay });
      });
    })
      .once('error', reject)
      .end(body);
  });
}

/** Sends each of these keys many times at once, over all ports, until every one was answered with its order. */
async function postAll(ports: readonly number[], keys: readonly string[], times: number): Promise<void> {
  const sent = keys.flatMap((key) =>
    Array.from({ length: times }, async (_, i) => {
      let got = await post(ports[i % ports.length] as number, key);
      while (got.status === 409) got = await post(ports[i % ports.length] as number, key);
      return { key, ...got };
    }),
  );
  const all = await Promise.all(sent);
  for (const key of keys) {
    const own = all.filter((got) => got.key === key);
    expect(new Set(own.map(({ text }) => text)).size).toBe(1);
    expect(own.filter(({ isReplay }) => !isReplay)).toHaveLength(1);
    expect(own.every(({ status }) => status === 201)).toBe(true);
  }
}

async function startRedis(): Promise<RedisServer> {
  const server = await RedisServer.start();
  onTestFinished(() => server.close());
  return server;
}

const isAvailable = async (gateway: { readonly adminPort: number }, available: boolean): Promise<boolean> => {
  const response = await fetch(`http://${LOOPBACK}:${gateway.adminPort}/readyz`, {
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  });
  return (await response.text()).includes('idempotency') !== available;
};

describe('a request with an idempotency key runs once', () => {
  test('among workers, whichever of them gets its repetitions, and by the count of all', async () => {
    const { asked, url } = await startOrders();
    const pool = await startWorkerPool(configOf(url));
    await postAll([pool.gateway.port], ['a', 'b', 'c', 'd'], 10);
    expect(asked.sort()).toEqual(['a', 'b', 'c', 'd']);
    await pool.kill(1).replaced();
    await pool.kill(2).replaced();
    expect(await post(pool.gateway.port, 'a')).toMatchObject({ status: 201, isReplay: true });
    expect((await post(pool.gateway.port, 'a', 'other')).status).toBe(422);
    expect(await pool.metrics()).toMatch(/^gateway_idempotency_keys 4$/m);
  });

  test('among gateways that share Redis, which never sees what is in a response', async () => {
    const { asked, url } = await startOrders();
    const server = await startRedis();
    const config = { redis: { url: server.url, commandTimeout: '5s' as const }, ...configOf(url) };
    const gateways = [await startGateway(config), await startGateway(config)];
    const ports = gateways.map(({ port }) => port);
    await postAll(ports, ['a', 'b', 'key-of-the-client'], 12);
    expect(asked.sort()).toEqual(['a', 'b', 'key-of-the-client']);
    const names = (await server.command('KEYS', '*')) as string[];
    const records = names.filter((name) => name.startsWith('sallyport:idempotency:'));
    expect(records).toHaveLength(3);
    const dumped = await Promise.all(records.map((name) => server.command('HGETALL', name)));
    expect(JSON.stringify([names, dumped])).not.toMatch(/secret-of|key-of-the-client|order/);
  });

  test('after a reload', async () => {
    const { asked, url } = await startOrders();
    const gateway = await startGateway(configOf(url));
    await post(gateway.port, 'a');
    await gateway.rewrite(configOf(url, { ttl: '2h' }));
    await gateway.gateway.reload();
    expect(await post(gateway.port, 'a')).toMatchObject({
      text: expect.stringContaining('order 1'),
      isReplay: true,
    });
    expect(asked).toHaveLength(1);
  });
});

test('while Redis is away requests with a key are answered 503, others pass, and all is as before when it is back', async () => {
  const { asked, url } = await startOrders();
  const server = await startRedis();
  const gateway = await startGateway({ redis: { url: server.url, commandTimeout: '5s' }, ...configOf(url) });
  await server.kill();
  await until(() => isAvailable(gateway, false));
  const got = await post(gateway.port, 'a');
  expect(got).toMatchObject({ status: 503, text: expect.stringContaining('GW_IDEMPOTENCY_UNAVAILABLE') });
  expect(asked).toHaveLength(0);
  expect((await fetch(`${gateway.url}/orders`, { method: 'POST', body: 'x' })).status).toBe(201);
  await server.resume();
  await until(() => isAvailable(gateway, true));
  expect((await post(gateway.port, 'a')).status).toBe(201);
  expect((await post(gateway.port, 'a')).isReplay).toBe(true);
});

test('a store without room rejects new keys, says what to do, and still knows those that it has', async () => {
  const { url } = await startOrders();
  let store: IdempotencyStore | undefined;
  scripts.set('store', ({ idempotency }) => {
    store = idempotency;
    return {};
  });
  onTestFinished(() => scripts.clear());
  const gateway = await startGateway({
    ...configOf(url),
    idempotencyKey: { memory: '1MiB' },
    customPolicies: { 'test/scripted': SCRIPTED },
    policies: [{ 'test/scripted': { script: 'store' } }],
  });
  await post(gateway.port, 'first');
  for (const caller of ['a', 'b', 'c'])
    for (let i = 0; ; i++) {
      const claim = { caller, key: `${caller} ${i}`, fingerprint: '', owner: '' };
      if ((await store?.claim(claim, 1e9))?.kind !== 'claimed') break;
    }
  expect(await post(gateway.port, 'second')).toMatchObject({ status: 503 });
  expect(await post(gateway.port, 'first')).toMatchObject({
    status: 409,
    text: expect.stringContaining('GW_IDEMPOTENCY_NOT_STORED'),
  });
  expect(gateway.gateway.readiness().details.join()).toContain('raise idempotencyKey.memory');
});
