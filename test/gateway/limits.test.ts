import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openQuotaJournal } from '../../src/stores/quota-journal.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { GatewayProcess } from '../support/gateway-process.ts';
import { ADMIN_TOKEN, RawClient, startGateway, startGatewayTo, startTarget } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';

const OK = { status: 200, body: 'x' };

async function statusesOf(url: string, count: number): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < count; i++) {
    const response = await fetch(url);
    await response.arrayBuffer();
    statuses.push(response.status);
  }
  return statuses;
}

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-limits-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

describe.each(['token-bucket', 'fixed-window', 'sliding-window', 'leaky-bucket'] as const)(
  '%s',
  (algorithm) => {
    it('lets exactly 1,000 of 50 clients at once through', async () => {
      const target = await startTarget((_, response) => response.end('x'));
      const { port } = await startGatewayTo(target, {
        policies: [{ 'rate-limit': { limit: 1000, window: '30d', algorithm } }],
      });
      const agent = new Agent({ keepAlive: true, maxSockets: 50 });
      onTestFinished(() => agent.destroy());
      const ask = () =>
        new Promise<number>((resolve, reject) => {
          get({ port, host: LOOPBACK, agent }, (response) => {
            response.resume().once('end', () => resolve(response.statusCode as number));
          }).once('error', reject);
        });
      const client = async (): Promise<number[]> => {
        const statuses: number[] = [];
        for (let i = 0; i < 24; i++) statuses.push(await ask());
        return statuses;
      };
      const statuses = (await Promise.all(Array.from({ length: 50 }, client))).flat();
      expect(statuses.filter((status) => status === 200)).toHaveLength(1000);
      expect(statuses.filter((status) => status === 429)).toHaveLength(200);
      expect(target.requests).toHaveLength(1000);
    });
  },
);

describe('names', () => {
  it("make a limit of the top level one counter, a route's its own, and one id one counter everywhere", async () => {
    const own = { 'rate-limit': { limit: 2, window: '1h' } };
    const shared = { 'rate-limit': { limit: 3, window: '1h', id: 'shared' } };
    const { url } = await startGateway({
      policies: [{ 'rate-limit': { limit: 6, window: '1h' } }],
      routes: [
        { id: 'a', path: '/a', respond: OK, policies: [own] },
        { id: 'b', path: '/b', respond: OK, policies: [own] },
        { id: 'c', path: '/c', respond: OK, policies: [shared] },
        { id: 'd', path: '/d', respond: OK, policies: [shared] },
        { id: 'e', path: '/e', respond: OK },
      ],
    });
    expect(await statusesOf(`${url}/a`, 3)).toEqual([200, 200, 429]);
    expect(await statusesOf(`${url}/b`, 1)).toEqual([200]);
    expect(await statusesOf(`${url}/c`, 2)).toEqual([200, 200]);
    const last = await fetch(`${url}/d`);
    expect(last.headers.get('ratelimit')).toMatch(/^"rate-limit";r=0;t=\d+, "shared";r=0;t=\d+$/);
    expect(await statusesOf(`${url}/e`, 1)).toEqual([429]);
    // Nobody's route counts with the top level too.
    expect(await statusesOf(`${url}/nowhere`, 1)).toEqual([429]);
  });
});

describe('a reload', () => {
  it('keeps counters, also under another limit, and begins anew under another window', async () => {
    const config = (limit: number, window: string) => ({
      routes: [{ id: 'a', path: '/*', respond: OK, policies: [{ 'rate-limit': { limit, window } }] }],
    });
    const { url, gateway, rewrite } = await startGateway(config(2, '1h'));
    expect(await statusesOf(url, 3)).toEqual([200, 200, 429]);
    await rewrite({ ...config(2, '1h'), forwarded: true });
    expect(await gateway.reload()).toMatchObject({ ok: true });
    expect(await statusesOf(url, 1)).toEqual([429]);
    await rewrite(config(3, '1h'));
    await gateway.reload();
    expect(await statusesOf(url, 2)).toEqual([200, 429]);
    await rewrite(config(1, '2h'));
    await gateway.reload();
    expect(await statusesOf(url, 2)).toEqual([200, 429]);
  });
});

describe('quotas', () => {
  const quota = {
    quota: { limit: 5, period: 'month', timeZone: 'Europe/Berlin', key: 'header:x-app' },
  } as const;
  const routes = [
    { id: 'work', path: '/work', respond: OK, policies: [quota] },
    { id: 'quota', path: '/quota', methods: ['GET' as const], respond: 'quota' as const },
  ];
  const work = (url: string) => fetch(`${url}/work`, { headers: { 'x-app': 'shop' } });

  it('can be read by the client and by operators, which costs nothing of them', async () => {
    const clock = new StubClock();
    const { url, adminPort } = await startGateway({ routes }, { clock });
    await work(url);
    await work(url);
    const standing = {
      name: 'work/quota',
      limit: 5,
      used: 2,
      remaining: 3,
      period: 'month',
      timeZone: 'Europe/Berlin',
      startsAt: '2023-10-31T23:00:00.000Z',
      resetsAt: '2023-11-30T23:00:00.000Z',
    };
    for (let i = 0; i < 2; i++) {
      const response = await fetch(`${url}/quota`, { headers: { 'x-app': 'shop' } });
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(await response.json()).toEqual({ quotas: [standing] });
    }
    const other = await fetch(`${url}/quota`, { headers: { 'x-app': 'other' } });
    expect(await other.json()).toMatchObject({ quotas: [{ used: 0 }] });
    const read = async (query: string) =>
      (
        await fetch(`http://${LOOPBACK}:${adminPort}/api/quotas${query}`, {
          headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
        })
      ).json();
    expect(await read('?key=shop')).toEqual({ quotas: [standing] });
    expect(await read('?key=a&key=b')).toEqual({ quotas: [] });
  });

  it('are answered 429 with their own code until the period ends', async () => {
    // The calendar alone goes on; connections would be closed meanwhile.
    const stub = new StubClock();
    let passedMs = 0;
    const clock = Object.assign(Object.create(stub) as StubClock, { now: () => stub.now() + passedMs });
    const { url } = await startGateway({ routes }, { clock });
    for (let i = 0; i < 5; i++) expect((await work(url)).status).toBe(200);
    const refused = await work(url);
    expect(refused.status).toBe(429);
    const seconds = (Date.parse('2023-11-30T23:00:00Z') - clock.now()) / 1000;
    expect(refused.headers.get('retry-after')).toBe(String(Math.ceil(seconds)));
    expect(refused.headers.get('ratelimit-policy')).toBe(`"work/quota";q=5;w=${30 * 86_400}`);
    expect(await refused.json()).toMatchObject({ code: 'GW_QUOTA_EXCEEDED' });
    passedMs = seconds * 1000;
    expect((await work(url)).status).toBe(200);
  });

  it('outlive a gateway that ends', async () => {
    const dataDir = await makeFolder();
    const first = await startGateway({ routes, dataDir });
    await work(first.url);
    await work(first.url);
    await first.close();
    const second = await startGateway({ routes, dataDir });
    expect((await work(second.url)).headers.get('ratelimit')).toMatch(/^"work\/quota";r=2;/);
  });

  it('outlive one that is killed', async () => {
    const dataDir = await makeFolder();
    const killed = await GatewayProcess.start({ routes, dataDir });
    for (let i = 0; i < 3; i++) await work(`http://${LOOPBACK}:${killed.port}`);
    const journal = await openQuotaJournal(dataDir);
    while ((await journal.load(Date.now()))[0]?.used !== 3) await setImmediate();
    await journal.close();
    killed.signal('SIGKILL');
    await killed.exit();
    const { url } = await startGateway({ routes, dataDir });
    expect((await work(url)).headers.get('ratelimit')).toMatch(/^"work\/quota";r=1;/);
  });

  it('refuse the start where they cannot be kept', async () => {
    const folder = await makeFolder();
    const file = join(folder, 'a-file');
    await writeFile(file, '');
    await expect(startGateway({ routes, dataDir: join(file, 'data') })).rejects.toThrow(
      'quotas cannot be kept',
    );
  });
});

describe('concurrency', () => {
  it('is freed by tunnels once they stand, and by clients that leave, exactly once', async () => {
    const target = await startTarget();
    target.server.on('upgrade', (_, socket) => {
      socket.on('error', () => {});
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
    });
    const { port, url } = await startGatewayTo(target, {
      policies: [{ concurrency: { limit: 1, key: 'ip', maxQueued: 10, maxWait: '1h' } }],
    });
    const tunnels: RawClient[] = [];
    for (let i = 0; i < 3; i++) {
      const client = await RawClient.connect(port);
      client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
      await client.until((received) => received.includes('101 Switching'));
      tunnels.push(client);
    }
    expect(await statusesOf(url, 1)).toEqual([200]);
    for (const client of tunnels) client.destroy();
    const statuses = await Promise.all(Array.from({ length: 8 }, () => statusesOf(url, 2)));
    expect(statuses.flat().every((status) => status === 200)).toBe(true);
  });
});
