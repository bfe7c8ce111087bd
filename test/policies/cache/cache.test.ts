import { get as httpGet } from 'node:http';
import { describe, expect, it } from 'vitest';
import { until } from '../../support/until.ts';
import { fresh, startCached } from './cached-gateway.ts';

describe('the cache', () => {
  it('answers again with what is fresh, with its age, and asks when that is over', async () => {
    const { get, asked, clock } = await startCached({}, () => fresh(60, { 'x-a': '1' }));
    expect(await get('/a')).toMatchObject({
      text: 'answer 0',
      verdict: 'fwd=uri-miss; fwd-status=200; stored',
    });
    clock.advance(10_000);
    const hit = await get('/a');
    expect(hit).toMatchObject({ text: 'answer 0', verdict: 'hit; ttl=50' });
    expect([hit.headers.get('age'), hit.headers.get('x-a')]).toEqual(['10', '1']);
    clock.advance(50_000);
    expect(await get('/a')).toMatchObject({
      text: 'answer 1',
      verdict: expect.stringContaining('fwd=stale'),
    });
    expect(asked).toHaveLength(2);
  });

  it('tells paths, queries and hosts apart', async () => {
    const { get, asked } = await startCached({}, () => fresh(60));
    for (const path of ['/a', '/b', '/a?x=1', '/a?x=2', '/a?']) await get(path);
    expect(asked).toHaveLength(5);
    for (const path of ['/a', '/b', '/a?x=1', '/a?x=2', '/a?']) await get(path);
    expect(asked).toHaveLength(5);
  });

  it('stores nothing that says nothing, unless maxAge is set', async () => {
    const silent = await startCached({}, () => ({}));
    await silent.get('/a');
    expect((await silent.get('/a')).verdict).toBe('fwd=uri-miss; fwd-status=200');
    const told = await startCached({ maxAge: '5s' }, () => ({}));
    await told.get('/a');
    expect((await told.get('/a')).verdict).toBe('hit; ttl=5');
  });

  it('answers HEAD from a stored GET, and GET never from a HEAD', async () => {
    const { get, asked } = await startCached({}, () => fresh(60));
    expect(await get('/a', {}, 'HEAD')).toMatchObject({ text: '' });
    await get('/a');
    const head = await get('/a', {}, 'HEAD');
    expect([head.text, head.headers.get('content-length'), head.verdict]).toEqual(['', '8', 'hit; ttl=60']);
    expect(asked.map(({ method }) => method)).toEqual(['HEAD', 'GET']);
  });

  it('selects by what Vary names', async () => {
    const { get, asked } = await startCached({}, () => fresh(60, { vary: 'Accept-Language' }));
    await get('/a', { 'accept-language': 'de' });
    expect((await get('/a', { 'accept-language': 'en' })).verdict).toContain('fwd=vary-miss');
    expect((await get('/a', { 'accept-language': 'de' })).text).toBe('answer 0');
    expect((await get('/a', { 'accept-language': 'en', 'x-other': '1' })).text).toBe('answer 1');
    expect(asked).toHaveLength(2);
  });

  it('keeps the key parts that are configured apart, and sends no parameter on that is ignored', async () => {
    const { get, asked } = await startCached(
      { key: { headers: ['x-tenant'], query: { ignore: ['utm_*'] }, cookies: ['plan'] } },
      () => fresh(60),
    );
    await get('/a?utm_source=x&b=1', { 'x-tenant': 'one' });
    expect((await get('/a?b=1&utm_medium=y', { 'x-tenant': 'one' })).text).toBe('answer 0');
    await get('/a?b=1', { 'x-tenant': 'two' });
    await get('/a?b=1', { 'x-tenant': 'one', cookie: 'plan=gold' });
    expect(asked.map(({ url }) => url)).toEqual(['/a?b=1', '/a?b=1', '/a?b=1']);
  });

  it('lets requests past it that are to go past it, and says so', async () => {
    const options = { bypass: { headers: ['x-no-cache'], cookies: ['session'] } };
    const { get, asked } = await startCached(options, () => fresh(60));
    await get('/a');
    expect((await get('/a', { 'x-no-cache': '1' })).verdict).toBe('fwd=bypass');
    expect((await get('/a', { cookie: 'a=b; session=1' })).verdict).toBe('fwd=bypass');
    expect((await get('/a', { cookie: 'a=b' })).verdict).toBe('hit; ttl=60');
    expect(asked).toHaveLength(3);
  });

  it.each([
    ['Set-Cookie', { 'set-cookie': 'a=b', 'cache-control': 'public, max-age=60' }],
    ['no-store', { 'cache-control': 'no-store, max-age=60' }],
    ['private', { 'cache-control': 'private, max-age=60' }],
    ['Vary: *', { vary: '*', 'cache-control': 'max-age=60' }],
  ])('never stores %s', async (_, headers) => {
    const { get, asked } = await startCached({ maxAge: '60s', override: true }, () => ({ headers }));
    await get('/a');
    await get('/a');
    expect(asked).toHaveLength(2);
  });

  it('leaves out the fields that must not be shared, and the tags for clients', async () => {
    const headers = {
      'cache-control': 'max-age=60, private="x-secret"',
      'x-secret': '1',
      'cache-tag': 'a,b',
      'x-open': '2',
    };
    const { get } = await startCached({}, () => ({ headers }));
    await get('/a');
    const hit = await get('/a');
    expect(['x-secret', 'cache-tag', 'x-open'].map((name) => hit.headers.get(name))).toEqual([
      null,
      null,
      '2',
    ]);
  });
});

describe('a stale response', () => {
  const validated = (request: { headers: Record<string, unknown> }) =>
    request.headers['if-none-match'] === '"v1"'
      ? { status: 304, headers: { 'cache-control': 'max-age=100', etag: '"v1"', 'x-a': 'new' } }
      : { headers: { 'cache-control': 'max-age=10', etag: '"v1"', 'x-a': 'old' } };

  it('is validated, and updated by the 304', async () => {
    const { get, asked, clock } = await startCached({}, validated);
    await get('/a');
    clock.advance(10_000);
    const renewed = await get('/a', { 'if-none-match': '"other"' });
    expect(renewed).toMatchObject({
      status: 200,
      text: 'answer 0',
      verdict: 'fwd=stale; fwd-status=304; stored',
    });
    expect(renewed.headers.get('x-a')).toBe('new');
    clock.advance(50_000);
    expect(await get('/a')).toMatchObject({ text: 'answer 0', verdict: 'hit; ttl=50' });
    expect(asked[1]?.headers['if-none-match']).toBe('"v1"');
    expect(asked).toHaveLength(2);
  });

  it('is used while it is refreshed behind it, once', async () => {
    let letGo: () => void = () => {};
    const gate = new Promise<void>((resolve) => (letGo = resolve));
    const { get, asked, clock } = await startCached({ staleWhileRevalidate: '60s' }, async (_, index) => {
      if (index > 0) await gate;
      return fresh(10);
    });
    await get('/a');
    clock.advance(11_000);
    const stale = await Promise.all([get('/a'), get('/a'), get('/a')]);
    expect(stale.map(({ text, verdict }) => [text, verdict])).toEqual(
      Array.from({ length: 3 }, () => ['answer 0', 'hit; ttl=-1']),
    );
    await until(() => asked.length === 2);
    letGo();
    await until(async () => (await get('/a')).text === 'answer 1');
    expect(asked).toHaveLength(2);
  });

  it('stands in for a service that fails, unless it must be validated', async () => {
    const failing = (control: string) => (_: unknown, index: number) =>
      index === 0 ? { headers: { 'cache-control': control } } : { status: 503, body: 'down' };
    const lenient = await startCached({ staleIfError: '60s' }, failing('max-age=10'), {});
    await lenient.get('/a');
    lenient.clock.advance(11_000);
    expect(await lenient.get('/a')).toMatchObject({ status: 200, text: 'answer 0' });
    lenient.clock.advance(60_000);
    expect(await lenient.get('/a')).toMatchObject({ status: 503 });
    const strict = await startCached({ staleIfError: '60s' }, failing('max-age=10, must-revalidate'));
    await strict.get('/a');
    strict.clock.advance(11_000);
    expect(await strict.get('/a')).toMatchObject({ status: 503 });
  });
});

describe('a condition of the client', () => {
  it('is answered by what is stored: 304, ranges, or the whole', async () => {
    const etag = '"v1"';
    const { get, asked } = await startCached({}, () =>
      fresh(60, { etag, 'last-modified': 'Sun, 06 Nov 1994 08:49:37 GMT' }),
    );
    // Asked for on a condition, the whole is fetched nevertheless, so that it can be stored.
    expect((await get('/a', { 'if-none-match': '"old"' })).text).toBe('answer 0');
    expect(asked[0]?.headers['if-none-match']).toBeUndefined();
    const same = await get('/a', { 'if-none-match': `"x", W/${etag}` });
    expect([same.status, same.text, same.headers.get('etag')]).toEqual([304, '', etag]);
    const part = await get('/a', { range: 'bytes=0-2' });
    expect([part.status, part.text, part.headers.get('content-range')]).toEqual([206, 'ans', 'bytes 0-2/8']);
    expect((await get('/a', { range: 'bytes=9-' })).status).toBe(416);
    expect((await get('/a', { range: 'bytes=0-2', 'if-range': '"old"' })).text).toBe('answer 0');
    const parts = await get('/a', { range: 'bytes=0-0,-1' });
    expect(parts.text).toContain('Content-Range: bytes 7-7/8\r\n\r\n0\r\n');
    expect(asked).toHaveLength(1);
  });

  it('for a part of what is not stored is passed on, and the part is not stored', async () => {
    const { get, asked } = await startCached({}, ({ headers }) =>
      headers.range === undefined
        ? fresh(60)
        : {
            status: 206,
            headers: { 'cache-control': 'max-age=60', 'content-range': 'bytes 0-0/8' },
            body: 'a',
          },
    );
    expect(await get('/a', { range: 'bytes=0-0' })).toMatchObject({ status: 206, verdict: 'fwd=partial' });
    expect(await get('/a')).toMatchObject({ status: 200 });
    expect(asked).toHaveLength(2);
  });

  it('gets an entity tag of our own where that is allowed', async () => {
    const { get } = await startCached({ etag: true }, () => fresh(60));
    await get('/a');
    const etag = (await get('/a')).headers.get('etag') as string;
    expect(etag).toMatch(/^"[\w-]{27}"$/);
    expect((await get('/a', { 'if-none-match': etag })).status).toBe(304);
  });

  it('about freshness is obeyed only where that is allowed', async () => {
    const plain = await startCached({}, () => fresh(60));
    await plain.get('/a');
    expect((await plain.get('/a', { 'cache-control': 'no-cache' })).text).toBe('answer 0');
    const obeying = await startCached({ requestDirectives: true }, () => fresh(60));
    expect(await obeying.get('/a', { 'cache-control': 'only-if-cached' })).toMatchObject({
      status: 504,
      text: expect.stringContaining('GW_NOT_IN_CACHE'),
    });
    await obeying.get('/a');
    expect((await obeying.get('/a', { 'cache-control': 'no-cache' })).text).toBe('answer 1');
    obeying.clock.advance(20_000);
    expect((await obeying.get('/a', { 'cache-control': 'max-age=10' })).text).toBe('answer 2');
  });
});

describe('requests at the same time', () => {
  it('for the same are one to the service, which streams to all of them', async () => {
    let letGo: () => void = () => {};
    const gate = new Promise<void>((resolve) => (letGo = resolve));
    const { get, asked } = await startCached({}, async () => {
      await gate;
      return fresh(60);
    });
    const all = Promise.all(Array.from({ length: 50 }, () => get('/a')));
    await until(() => asked.length > 0);
    letGo();
    const got = await all;
    expect(new Set(got.map(({ text }) => text))).toEqual(new Set(['answer 0']));
    expect(got.filter(({ verdict }) => verdict.includes('collapsed')).length).toBeGreaterThan(0);
    expect(asked).toHaveLength(1);
  });

  it("each ask where the answer proves to be nobody else's, and wait no more from then on", async () => {
    const { get, asked } = await startCached({}, () => ({ headers: { 'cache-control': 'no-store' } }));
    const got = await Promise.all(Array.from({ length: 10 }, () => get('/a')));
    expect(new Set(got.map(({ text }) => text)).size).toBe(10);
    await Promise.all(Array.from({ length: 10 }, () => get('/a')));
    expect(asked).toHaveLength(20);
  });

  it('are answered though the first of them leaves', async () => {
    let letGo: () => void = () => {};
    const gate = new Promise<void>((resolve) => (letGo = resolve));
    const { gateway, get, asked } = await startCached({}, async () => {
      await gate;
      return fresh(60);
    });
    const leaving = httpGet(`${gateway.url}/a`);
    leaving.on('error', () => {});
    await until(() => asked.length === 1);
    const waiting = get('/a');
    const other = get('/b');
    await until(() => asked.length === 2);
    leaving.destroy();
    letGo();
    expect((await waiting).text).toBe('answer 0');
    await other;
    expect(asked).toHaveLength(2);
  });

  it('that wait for an answer which breaks off hear of it, and nothing of it is stored', async () => {
    const { get, asked, gateway } = await startCached({}, (request, index) => {
      if (index > 0) return fresh(60);
      const { socket } = request;
      socket.write('HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 100\r\n\r\npart');
      socket.end();
      return undefined;
    });
    await expect(get('/a')).rejects.toThrow();
    expect((await get('/a')).text).toBe('answer 1');
    expect(asked).toHaveLength(2);
    expect(gateway.port).toBeGreaterThan(0);
  });

  it('for what is too large to be stored stream through', async () => {
    const body = Buffer.alloc(300_000, 'x');
    const { get, asked } = await startCached({ maxBody: '64KiB' }, () => ({ ...fresh(60), body }));
    expect((await get('/a')).text).toHaveLength(body.length);
    expect((await get('/a')).text).toHaveLength(body.length);
    expect(asked).toHaveLength(2);
  });
});

describe('what changes a resource', () => {
  it('takes out what is stored of it, and of what its answer names', async () => {
    const { get, asked } = await startCached({}, ({ method }) =>
      method === 'POST' ? { status: 201, headers: { location: '/b' } } : fresh(60),
    );
    for (const path of ['/a', '/b', '/c']) await get(path);
    await get('/a', {}, 'POST');
    for (const path of ['/a', '/b', '/c']) await get(path);
    expect(asked.map(({ method, url }) => `${method} ${url}`)).toEqual([
      ...['GET /a', 'GET /b', 'GET /c', 'POST /a', 'GET /a', 'GET /b'],
    ]);
  });

  it('does not, where it fails', async () => {
    const { get, asked } = await startCached({}, ({ method }) =>
      method === 'POST' ? { status: 409 } : fresh(60),
    );
    await get('/a');
    await get('/a', {}, 'POST');
    await get('/a');
    expect(asked).toHaveLength(2);
  });
});

describe('callers who are known', () => {
  const basic = (name: string) => ({
    authorization: `Basic ${Buffer.from(`${name}:secret`).toString('base64')}`,
  });

  it('to nobody here, by an Authorization that passes, share only what is for all', async () => {
    const { get, asked } = await startCached({}, ({ url }) =>
      url === '/public' ? { headers: { 'cache-control': 'public, max-age=60' } } : fresh(60),
    );
    await get('/mine', basic('ann'));
    await get('/mine', basic('ann'));
    await get('/mine');
    await get('/mine', basic('bob'));
    expect(asked).toHaveLength(4);
    await get('/public', basic('ann'));
    expect((await get('/public', basic('bob'))).verdict).toBe('hit; ttl=60');
    expect((await get('/public')).verdict).toBe('hit; ttl=60');
  });
});
