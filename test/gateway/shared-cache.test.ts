import { get as httpGet, type IncomingMessage, type ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  ADMIN_TOKEN,
  startGateway,
  startTarget,
  type TestGateway,
  type TestTarget,
} from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

async function startRedis(): Promise<RedisServer> {
  const server = await RedisServer.start();
  onTestFinished(() => server.close());
  return server;
}

function startCaching(target: TestTarget, redis: RedisServer, cache: object = {}): Promise<TestGateway> {
  return startGateway({
    redis: { url: redis.url, commandTimeout: '5s' },
    cache: { memory: '64MiB', redis: true },
    upstreams: { service: { targets: [target.url], retries: { max: 0 } } },
    routes: [{ id: 'all', path: '/*', upstream: 'service', policies: [{ cache }] }],
  });
}

interface Got {
  readonly text: string;
  readonly verdict: string;
}

async function get({ url }: TestGateway, path: string, headers: Record<string, string> = {}): Promise<Got> {
  const response = await fetch(url + path, { headers });
  return { text: await response.text(), verdict: response.headers.get('cache-status') ?? '' };
}

/** What clients call both of them by. */
const HOST = { host: 'api.example.com' };

/** Asks many times at once, each on a connection of its own. */
function askAtOnce(gateways: readonly TestGateway[], path: string, count: number): Promise<string[]> {
  const ask = ({ port }: TestGateway) =>
    new Promise<string>((resolve, reject) => {
      httpGet({ host: LOOPBACK, port, path, agent: false, headers: HOST }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.once('end', () => resolve(text)).once('error', reject);
      }).once('error', reject);
    });
  return Promise.all(
    Array.from({ length: count }, (_, i) => ask(gateways[i % gateways.length] as TestGateway)),
  );
}

async function purge({ adminPort }: TestGateway, body: object): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`http://${LOOPBACK}:${adminPort}/api/cache/purge`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

/** A service whose answers are numbered. */
function startCounting(headers: Record<string, string> = { 'cache-control': 'max-age=600' }) {
  let count = 0;
  return startTarget((request, response) => {
    if (request.method !== 'GET') return void response.writeHead(204).end();
    response.writeHead(200, headers).end(`answer ${count++}`);
  });
}

describe('gateways that share a cache by Redis', () => {
  it('answer from what the other one has stored, as it is', async () => {
    const redis = await startRedis();
    const target = await startCounting({ 'cache-control': 'max-age=600', vary: 'accept', 'x-a': 'b' });
    const [one, other] = [await startCaching(target, redis), await startCaching(target, redis)];
    const path = '/a?b=c';
    await fetch(one.url + path, { headers: HOST });
    const first = await one.gateway.inject({ url: path, headers: HOST });
    let second = await other.gateway.inject({ url: path, headers: HOST });
    await until(async () => {
      second = await other.gateway.inject({ url: path, headers: HOST });
      return String(second.headers.get('cache-status')).includes('hit');
    });
    expect(second.headers.get('x-a')).toBe(first.headers.get('x-a'));
    expect(['answer 1', 'answer 2']).toContain(second.body.toString());
  });

  it('send one request for all that come to any of them at once, and none waits for what is not stored', async () => {
    const redis = await startRedis();
    const waiting: ServerResponse[] = [];
    const target = await startTarget((_: IncomingMessage, response) => void waiting.push(response));
    const gateways = [await startCaching(target, redis), await startCaching(target, redis)];
    const answers = askAtOnce(gateways, '/a', 40);
    await until(() => waiting.length === 1);
    // Whoever is to wait waits by now, or comes later and finds it.
    await until(async () => ((await redis.command('KEYS', '*:turn')) as string[]).length === 1);
    (waiting[0] as ServerResponse).writeHead(200, { 'cache-control': 'max-age=60' }).end('one for all');
    expect(new Set(await answers)).toEqual(new Set(['one for all']));
    expect(waiting).toHaveLength(1);
    const answer = (response: ServerResponse | undefined): void =>
      void response?.writeHead(200, { 'cache-control': 'no-store' }).end('mine');
    for (const gateway of gateways) {
      const uncacheable = askAtOnce([gateway], '/b', 1);
      await until(() => waiting.length === 2);
      answer(waiting.pop());
      expect(await uncacheable).toEqual(['mine']);
    }
    // For a while nobody waits for that one.
    const next = askAtOnce(gateways, '/b', 4);
    await until(() => waiting.length === 5);
    waiting.slice(1).forEach(answer);
    expect(await next).toEqual(['mine', 'mine', 'mine', 'mine']);
  });

  it('have what an unsafe method changes forgotten everywhere', async () => {
    const redis = await startRedis();
    const target = await startCounting();
    const [one, other] = [await startCaching(target, redis), await startCaching(target, redis)];
    const ask = async ({ gateway }: TestGateway, method = 'GET') =>
      (await gateway.inject({ method, url: '/a', headers: HOST })).body.toString();
    expect(await ask(one)).toBe('answer 0');
    await until(async () => (await ask(other)) === 'answer 0');
    await ask(one, 'DELETE');
    await until(async () => !(await ask(other)).endsWith(' 0'));
    expect(await ask(one)).not.toBe('answer 0');
  });

  it('answer from memory when Redis is killed, and say that a purge did not reach the others', async () => {
    const redis = await startRedis();
    const target = await startCounting();
    const [one, other] = [await startCaching(target, redis), await startCaching(target, redis)];
    await get(one, '/a');
    await until(async () => ((await purge(other, { tag: 'x' })).body as { reached: number }).reached === 2);
    await until(async () => ((await purge(one, { tag: 'x' })).body as { reached: number }).reached === 2);
    await redis.kill();
    expect((await get(one, '/a')).verdict).toContain('hit');
    await get(one, '/b');
    expect((await get(one, '/b')).verdict).toContain('hit');
    expect(one.gateway.readiness().details).toContainEqual(expect.stringMatching(/; cache: memory only$/));
    const { status, body } = await purge(one, { all: true });
    expect(status).toBe(503);
    expect(body).toMatchObject({ reached: 1, unreached: [expect.stringContaining('other gateways: Redis')] });
    expect((await get(one, '/a')).verdict).toContain('uri-miss');
    await get(other, '/a');
    await redis.resume();
    await until(async () => (await purge(one, { all: true })).status === 200);
    expect((await get(other, '/a')).verdict).toContain('uri-miss');
    expect(one.log.lines().map(({ msg }) => msg)).toContain('Redis is away; the cache goes on in memory');
  });

  it('never serve what was purged once that is confirmed, whatever else goes on', async () => {
    const redis = await startRedis();
    // Each answer tells the version of the resource when it was asked for, or a little before, as a slow service does.
    const versions = new Map<string, number>();
    const target = await startTarget((request, response) => {
      const path = request.url as string;
      const version = versions.get(path) ?? 0;
      const answer = (): void => {
        const headers = {
          'cache-control': 'max-age=1, stale-while-revalidate=60',
          'cache-tag': `tag${path}`,
        };
        response.writeHead(200, headers).end(String(version));
      };
      if (Math.random() < 0.5) setImmediate(answer);
      else setTimeout(answer, Math.random() * 20);
    });
    const gateways = [await startCaching(target, redis), await startCaching(target, redis)] as const;
    const paths = ['/a', '/b', '/c'];
    /** The version below which nothing may be served any more. */
    const confirmed = new Map<string, number>();
    const faults: string[] = [];
    let isOver = false;
    let served = 0;
    const client = async (): Promise<void> => {
      while (!isOver) {
        const path = paths[Math.floor(Math.random() * paths.length)] as string;
        const { gateway } = gateways[Math.floor(Math.random() * 2)] as TestGateway;
        const least = confirmed.get(path) ?? 0;
        const { body } = await gateway.inject({ url: path, headers: HOST });
        served++;
        // Hits take no time that others could use.
        await nextTurn();
        if (Number(body.toString()) < least) faults.push(`${path}: ${body} after ${least}`);
      }
    };
    const purger = async (gateway: TestGateway, path: string): Promise<void> => {
      for (let i = 1; i <= 8; i++) {
        versions.set(path, i);
        const [tag, url] = [{ tag: `tag${path}` }, { url: `api.example.com${path}` }];
        const { status } = await purge(gateway, i % 2 === 0 ? tag : url);
        if (status === 200) confirmed.set(path, i);
      }
    };
    const clients = Array.from({ length: 12 }, client);
    await Promise.all(paths.map((path, i) => purger(gateways[i % 2] as TestGateway, path)));
    await until(() => served > 100);
    isOver = true;
    await Promise.all(clients);
    expect(faults).toEqual([]);
    expect([...confirmed.values()].reduce((sum, n) => sum + n, 0)).toBeGreaterThan(0);
  });
});
