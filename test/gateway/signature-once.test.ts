import { Agent, request } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SECRET, type Signing, signRequest } from '../policies/sign-request.ts';
import { startWorkerPool } from '../supervisor/pool-of.ts';
import { startGateway } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

const signed = (options: object = {}) => ({
  routes: [{ id: 'all', path: '/*', respond: { status: 200, body: 'x' } }],
  policies: [{ signature: { keys: { partner: { secret: SECRET } }, ...options } }],
});
const SIGNING: Signing = { url: 'http://api.example.com/orders/1?x=1' };

/** Sends the very same request, on a connection of its own. */
function send(port: number, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve, reject) => {
    const agent = new Agent({ keepAlive: false });
    const options = {
      port,
      host: LOOPBACK,
      agent,
      path: '/orders/1?x=1',
      headers: { host: 'api.example.com', ...headers },
    };
    request(options, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    })
      .once('error', reject)
      .end();
  });
}

async function sendToAll(ports: readonly number[], times: number, signing = SIGNING): Promise<number[]> {
  const headers = signRequest(signing);
  const sent = Array.from({ length: times }, (_, i) => send(ports[i % ports.length] as number, headers));
  return (await Promise.all(sent)).sort();
}

const once = (times: number): number[] => [200, ...Array<number>(times - 1).fill(401)];

async function startRedis(): Promise<RedisServer> {
  const server = await RedisServer.start();
  onTestFinished(() => server.close());
  return server;
}

describe('a signature is good once', () => {
  test('among workers, also by its nonce, and after the worker that saw it has died', async () => {
    const pool = await startWorkerPool(signed());
    const ports = [pool.gateway.port];
    expect(await sendToAll(ports, 40)).toEqual(once(40));
    const nonce = { ...SIGNING, more: ';nonce="1"' };
    expect(await sendToAll(ports, 20, nonce)).toEqual(once(20));
    const another = { ...nonce, created: Math.floor(Date.now() / 1000) - 5 };
    expect(await sendToAll(ports, 4, another)).toEqual([401, 401, 401, 401]);
    const headers = signRequest({ ...SIGNING, more: ';nonce="2"' });
    expect(await send(ports[0] as number, headers)).toBe(200);
    await pool.kill(1).replaced();
    await pool.kill(2).replaced();
    expect(await send(ports[0] as number, headers)).toBe(401);
  });

  test('among gateways that share Redis', async () => {
    const redis = { url: (await startRedis()).url, commandTimeout: '5s' as const };
    const gateways = [await startGateway({ redis, ...signed() }), await startGateway({ redis, ...signed() })];
    expect(
      await sendToAll(
        gateways.map(({ port }) => port),
        40,
      ),
    ).toEqual(once(40));
  });

  test('after a reload', async () => {
    const gateway = await startGateway(signed());
    const headers = signRequest(SIGNING);
    expect(await send(gateway.port, headers)).toBe(200);
    await gateway.rewrite(signed({ maxAge: '10m' }));
    await gateway.gateway.reload();
    expect(await send(gateway.port, headers)).toBe(401);
  });
});

describe('while Redis is away', () => {
  test('signed requests are answered 503, and good ones pass again when it is back', async () => {
    const server = await startRedis();
    const { gateway, port, log } = await startGateway({
      redis: { url: server.url, commandTimeout: '5s' },
      ...signed(),
    });
    await server.kill();
    await until(async () => /^gateway_redis_available 0$/m.test((await gateway.metrics()).text));
    expect(await send(port, signRequest(SIGNING))).toBe(503);
    expect(log.lines().find(({ msg }) => msg === 'request')).toMatchObject({
      code: 'GW_AUTH_UNAVAILABLE',
      reason: 'store',
    });
    await server.resume();
    await until(async () => /^gateway_redis_available 1$/m.test((await gateway.metrics()).text));
    expect(await sendToAll([port], 2, { ...SIGNING, more: ';nonce="3"' })).toEqual([200, 401]);
  });

  test('each gateway remembers by itself with onStoreFailure: local', async () => {
    const server = await startRedis();
    const config = {
      redis: { url: server.url, commandTimeout: '5s' as const },
      ...signed({ onStoreFailure: 'local' }),
    };
    const { gateway, port } = await startGateway(config);
    await server.kill();
    await until(async () => /^gateway_redis_available 0$/m.test((await gateway.metrics()).text));
    expect(await sendToAll([port], 5)).toEqual(once(5));
  });
});
