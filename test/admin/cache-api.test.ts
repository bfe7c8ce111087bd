import { execFile } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { fresh, startCached } from '../policies/cache/cached-gateway.ts';
import { CLI } from '../support/bundled-gateway.ts';
import { ADMIN_TOKEN, startGateway, type TestGateway } from '../support/harness.ts';
import { LOOPBACK, reservePort } from '../support/loopback.ts';

interface Resolved {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function admin({ adminPort }: TestGateway, path: string, body?: unknown): Promise<Resolved> {
  const response = await fetch(`http://${LOOPBACK}:${adminPort}/api/cache${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const purge = (gateway: TestGateway, body: object) => admin(gateway, '/purge', body);

function sallyport(configFile: string, ...args: string[]): Promise<{ status: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args, '--config', configFile], (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    );
  });
}

describe('POST /api/cache/purge', () => {
  it('purges a URL in all its variants, however it is spelled, and no other', async () => {
    const { get, gateway } = await startCached({}, () => fresh(600, { vary: 'accept-language' }));
    const own = `${LOOPBACK}:${gateway.port}`;
    const spellings = [
      `http://${own}/a/b?x=1`,
      `${own}/a/b?x=1`,
      `//${own}/a/./c/../b?x=1#part`,
      `HTTPS://${own}/a/%62?x=1`,
    ];
    for (const url of spellings) {
      for (const language of ['de', 'en']) await get('/a/b?x=1', { 'accept-language': language });
      await get('/a/b');
      expect(await purge(gateway, { url })).toMatchObject({ status: 200, body: { url, reached: 1 } });
      for (const language of ['de', 'en'])
        expect((await get('/a/b?x=1', { 'accept-language': language })).verdict).toMatch(/^fwd=/);
      expect((await get('/a/b')).verdict).toContain('hit');
    }
  });

  it('takes a host in any case, and its default port for none', async () => {
    const { gateway } = await startCached({}, () => fresh(600));
    const ask = (host: string) =>
      gateway.gateway
        .inject({ url: '/a', headers: { host } })
        .then((answer) => String(answer.headers.get('cache-status')));
    await ask('api.example.com:80');
    await purge(gateway, { url: 'API.example.com/a' });
    expect(await ask('api.example.com:80')).toContain('uri-miss');
    await purge(gateway, { url: 'https://api.example.com:443/a' });
    expect(await ask('api.example.com:80')).toContain('uri-miss');
  });

  it('purges by prefix, but no other host that begins like it', async () => {
    const { get, gateway } = await startCached({}, () => fresh(600));
    for (const path of ['/a/1', '/a/2?x', '/b']) await get(path);
    await purge(gateway, { prefix: `${LOOPBACK}:${gateway.port}/a/` });
    expect((await get('/a/1')).verdict).toContain('uri-miss');
    expect((await get('/a/2?x')).verdict).toContain('uri-miss');
    expect((await get('/b')).verdict).toContain('hit');
    await purge(gateway, { prefix: LOOPBACK.slice(0, -1) });
    expect((await get('/b')).verdict).toContain('hit');
    await purge(gateway, { prefix: `${LOOPBACK}:${gateway.port}` });
    expect((await get('/b')).verdict).toContain('uri-miss');
  });

  it('purges by a whole tag, stale answers too, and all there is', async () => {
    const { get, gateway, clock } = await startCached({ staleWhileRevalidate: '1h' }, (request) =>
      fresh(10, { 'cache-tag': request.url === '/a' ? 'red, blue' : 'redder' }),
    );
    for (const path of ['/a', '/b']) await get(path);
    clock.advance(20_000);
    await purge(gateway, { tag: 'red' });
    expect((await get('/a')).verdict).toContain('uri-miss');
    expect((await get('/b')).verdict).toContain('hit');
    await purge(gateway, { all: true });
    expect((await get('/b')).verdict).toContain('uri-miss');
  });

  it('marks stale what is purged softly, which then is validated or served while it is refreshed', async () => {
    const { get, gateway } = await startCached({}, () => fresh(600));
    await get('/a');
    await purge(gateway, { all: true, soft: true });
    expect((await get('/a')).verdict).toContain('fwd=stale');
  });

  it.each([
    ['nothing', {}, 'exactly one'],
    ['two things', { url: 'a/b', all: true }, 'exactly one'],
    ['what is unknown', { uri: 'a/b' }, 'uri'],
    ['a path without a host', { url: '/a' }, 'names no host'],
    ['another scheme', { prefix: 'ftp://a/b' }, 'not an http URL'],
    ['a broken URL', { url: 'a/%7' }, 'cannot be read'],
    ['an empty tag', { tag: '' }, 'tag is empty'],
    ['a false all', { all: false }, 'not true'],
    ['no text', { tag: 7 }, 'tag'],
  ])('refuses %s', async (_, body, problem) => {
    const gateway = await startGateway({ routes: [{ id: 'a', path: '/a', respond: {} }] });
    const answer = await purge(gateway, body);
    expect(answer.status).toBe(422);
    expect(String(answer.body.problems)).toContain(problem);
  });

  it('is logged with what was purged', async () => {
    const gateway = await startGateway({ routes: [{ id: 'a', path: '/a', respond: {} }] });
    await purge(gateway, { tag: 'red', soft: true });
    const line = gateway.log.lines().find(({ audit }) => audit === 'cache');
    expect(line).toMatchObject({ action: 'purged', tag: 'red', soft: true, reached: 1, unreached: [] });
  });
});

describe('GET /api/cache', () => {
  it('tells what is stored, and what was done by route', async () => {
    const { get, gateway } = await startCached({}, () => fresh(600));
    for (const path of ['/a', '/a', '/a', '/b']) await get(path);
    const { status, body } = await admin(gateway, '');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      maxBytes: 256 * 1024 * 1024,
      resources: 2,
      evictions: 0,
      routes: [{ route: 'all', hit: 2, miss: 2, stale: 0, revalidated: 0, bypass: 0 }],
    });
    expect(body.bytes).toBeGreaterThan(1000);
  });

  it('wants the token, as purging does', async () => {
    const { adminPort } = await startGateway({ routes: [{ id: 'a', path: '/a', respond: {} }] });
    const address = `http://${LOOPBACK}:${adminPort}/api/cache`;
    expect((await fetch(address)).status).toBe(401);
    expect((await fetch(`${address}/purge`, { method: 'POST', body: '{"all":true}' })).status).toBe(401);
  });
});

describe('sallyport cache', () => {
  it('purges in the gateway that runs, and shows how its cache does', async () => {
    const admin = { host: LOOPBACK, port: await reservePort() };
    const { get, gateway } = await startCached({}, () => fresh(600), { admin });
    const env = `${LOOPBACK}:${gateway.port}`;
    for (const path of ['/a', '/a', '/b']) await get(path);
    const { configFile } = gateway;
    const shown = await sallyport(configFile, 'cache');
    expect(shown.status, shown.output).toBe(0);
    expect(shown.output).toMatch(/^0\.0 MiB of 256\.0 MiB, 2 resources, 0 evicted\nROUTE +HIT/);
    const purged = await sallyport(configFile, 'cache', 'purge', '--url', `${env}/a`, '--json');
    expect(JSON.parse(purged.output)).toEqual({ url: `${env}/a`, soft: false, reached: 1 });
    expect((await get('/a')).verdict).toContain('uri-miss');
    expect((await get('/b')).verdict).toContain('hit');
    expect((await sallyport(configFile, 'cache', 'purge', '--all')).output).toBe('Purged, in 1 process.\n');
    expect((await get('/b')).verdict).toContain('uri-miss');
    const wrong = await sallyport(configFile, 'cache', 'purge');
    expect(wrong).toMatchObject({ status: 1, output: expect.stringContaining('exactly one of url') });
    await gateway.gateway.close();
    const late = await sallyport(configFile, 'cache', 'purge', '--all');
    expect(late).toMatchObject({ status: 1, output: expect.stringContaining('Does the gateway run?') });
  });
});
