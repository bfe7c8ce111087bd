import { Agent, type IncomingMessage, request } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readAll, startGateway, startTarget, type TestGateway, type TestTarget } from '../support/harness.ts';
import { RedisServer, type RedisServerOptions } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

type Redis = NonNullable<Parameters<typeof startGateway>[0]['redis']>;

async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = await RedisServer.start(options);
  onTestFinished(() => server.close());
  return server;
}

/** A gateway of which a route is limited, by counters in Redis. */
function startLimited(
  target: TestTarget,
  redis: Partial<Redis>,
  limit: { limit: number; window: string; algorithm?: 'fixed-window' },
): Promise<TestGateway> {
  return startGateway({
    redis: { commandTimeout: '5s', ...redis },
    upstreams: { service: { targets: [target.url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service', policies: [{ 'rate-limit': limit }] }],
  });
}

async function get(
  url: string,
  agent?: Agent,
): Promise<{ status: number; headers: IncomingMessage['headers']; body: string }> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { agent }).once('response', resolve).once('error', reject).end();
  });
  const body = (await readAll(answer)).toString();
  return { status: answer.statusCode ?? 0, headers: answer.headers, body };
}

async function metric({ gateway }: TestGateway, name: string): Promise<string | undefined> {
  return new RegExp(`^${name} (\\S+)$`, 'm').exec((await gateway.metrics()).text)?.[1];
}

describe('limits of several gateways on one Redis', () => {
  it.each([
    ['without a lease', {}, 1000],
    ['with leases, a tenth more at most', { sync: '50ms' }, 1100],
  ] as const)('let 50 clients at once have exactly the limit: %s', async (_, settings, most) => {
    const target = await startTarget((_request, response) => void response.end());
    const redis = { url: (await startRedis()).url, ...settings };
    const limit = { limit: 1000, window: '1d', algorithm: 'fixed-window' } as const;
    const gateways = [await startLimited(target, redis, limit), await startLimited(target, redis, limit)];
    const agent = new Agent({ keepAlive: true, maxSockets: 25 });
    onTestFinished(() => agent.destroy());
    const statuses = new Map<number, number>();
    const client = async (url: string): Promise<void> => {
      for (let i = 0; i < 30; i++) {
        const { status, headers } = await get(url, agent);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 429) expect(Number(headers['retry-after'])).toBeGreaterThan(0);
        expect(headers.ratelimit).toMatch(/;r=\d+;t=\d+$/);
      }
    };
    await Promise.all(Array.from({ length: 50 }, (__, i) => client((gateways[i % 2] as TestGateway).url)));
    const admitted = statuses.get(200) ?? 0;
    expect(admitted).toBeGreaterThanOrEqual(1000);
    expect(admitted).toBeLessThanOrEqual(most);
    expect([...statuses.keys()].sort()).toEqual([200, 429]);
    expect(statuses.get(429)).toBe(1500 - admitted);
    expect(target.requests).toHaveLength(admitted);
  });
});

describe('a gateway whose Redis is away', () => {
  it('starts, says so, limits by itself, and comes back', async () => {
    const server = await startRedis();
    await server.kill();
    const gateway = await startLimited(
      await startTarget(),
      { url: server.url, nodes: 2 },
      { limit: 4, window: '1d' },
    );
    const { details, isReady } = gateway.gateway.readiness();
    expect(isReady).toBe(true);
    expect(details).toEqual([expect.stringMatching(/^Redis at 127\.\S+ ECONNREFUSED; limits: fair-share$/)]);
    expect(await metric(gateway, 'gateway_redis_available')).toBe('0');
    const away = () => gateway.log.lines().filter(({ msg }) => String(msg).startsWith('Redis is'));
    expect(away().map(({ msg }) => msg)).toEqual(['Redis is away; the gateway goes on without it']);
    const seen = [];
    for (let i = 0; i < 3; i++) seen.push((await get(gateway.url)).status);
    expect(seen).toEqual([200, 200, 429]);
    await server.resume();
    await until(() => gateway.gateway.readiness().details.length === 0);
    expect(await metric(gateway, 'gateway_redis_available')).toBe('1');
    await until(async () => ((await server.command('KEYS', '*limit*')) as string[]).length === 1);
    const later = [];
    for (let i = 0; i < 3; i++) later.push((await get(gateway.url)).status);
    expect(later).toEqual([200, 200, 429]);
    expect(away().map(({ msg }) => msg)).toEqual([
      'Redis is away; the gateway goes on without it',
      'Redis is back',
    ]);
  });

  it('answers 503 where limits are to be closed then', async () => {
    const server = await startRedis();
    await server.kill();
    const redis = { url: server.url, onStoreFailure: 'closed' } as const;
    const gateway = await startLimited(await startTarget(), redis, { limit: 4, window: '1d' });
    const { status, headers, body } = await get(gateway.url);
    expect(status).toBe(503);
    expect(headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(body)).toMatchObject({ code: 'GW_LIMITS_UNAVAILABLE' });
    expect(body).not.toContain(String(server.port));
  });

  it('lets all pass where limits are to be open then', async () => {
    const server = await startRedis();
    await server.kill();
    const redis = { url: server.url, onStoreFailure: 'open' } as const;
    const gateway = await startLimited(await startTarget(), redis, { limit: 1, window: '1d' });
    for (let i = 0; i < 3; i++) expect((await get(gateway.url)).status).toBe(200);
  });

  it('tells no password, wherever it stands', async () => {
    const { url } = await startRedis({ config: ['requirepass right'] });
    const limit = { limit: 1, window: '1d' };
    const target = await startTarget();
    const first = await startLimited(target, { url: url.replace('//', '//user:hunter2@') }, limit);
    const second = await startLimited(target, { url, username: 'user', password: 'hunter2' }, limit);
    for (const { gateway, log } of [first, second]) {
      const { details } = gateway.readiness();
      expect(details.join()).toContain('rejects user or password — correct `username` and `password`');
      expect(details.join() + JSON.stringify(log.lines())).not.toContain('hunter2');
    }
  });
});

describe('one gateway', () => {
  it('has one connection to Redis for all that it keeps there, and leaves when it closes', async () => {
    const server = await startRedis();
    const gateway = await startGateway({
      redis: { url: server.url, commandTimeout: '5s' },
      apiKeys: { store: 'redis', pepper: 'a pepper that is long enough, surely' },
      routes: [
        { id: 'keys', path: '/keys', respond: { status: 200 }, policies: ['api-key'] },
        {
          id: 'limited',
          path: '/limited',
          respond: { status: 200 },
          policies: [{ 'rate-limit': { limit: 10, window: '1m' } }],
        },
      ],
    });
    expect((await get(`${gateway.url}/limited`)).status).toBe(200);
    expect((await get(`${gateway.url}/keys`)).status).toBe(401);
    expect(await server.command('ZCARD', 'sallyport:gateways')).toBe(1);
    const clients = String(await server.command('CLIENT', 'LIST', 'TYPE', 'normal'))
      .trim()
      .split('\n');
    expect(clients.filter((line) => !line.includes('cmd=client|list'))).toHaveLength(1);
    await gateway.close();
    await until(async () => (await server.command('ZCARD', 'sallyport:gateways')) === 0);
  });
});
