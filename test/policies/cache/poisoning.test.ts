import { describe, expect, it } from 'vitest';
import { rawRequest } from '../../support/harness.ts';
import { fresh, startCached } from './cached-gateway.ts';

/** What an attacker may send that is in no key, and that services are known to write into what they answer. */
const UNKEYED = {
  'x-forwarded-host': 'evil.test',
  'x-forwarded-proto': 'https',
  'x-forwarded-port': '4443',
  'x-forwarded-prefix': '/evil',
  'x-forwarded-server': 'evil.test',
  'x-forwarded-scheme': 'nothttps',
  'x-forwarded-for': '6.6.6.6',
  'x-real-ip': '6.6.6.6',
  'x-host': 'evil.test',
  'x-original-host': 'evil.test',
  'x-original-url': '/admin',
  'x-rewrite-url': '/admin',
  'x-http-method-override': 'POST',
  'x-http-method': 'POST',
  'x-method-override': 'POST',
  forwarded: 'host=evil.test',
  'x-http-host-override': 'evil.test',
  'x-forwarded-path': '/evil',
  'front-end-https': 'on',
};

describe('a cache is not poisoned', () => {
  it('by fields that are in no key: what they make of an answer reaches nobody else', async () => {
    const { get, asked } = await startCached({}, ({ headers, url }) => ({
      ...fresh(60),
      body: `for ${headers[(url as string).slice(1)] ?? 'nobody'} at ${headers['x-forwarded-host']}`,
    }));
    for (const [name, value] of Object.entries(UNKEYED)) {
      const before = asked.length;
      const evil = await get(`/${name}`, { [name]: value });
      const next = await get(`/${name}`);
      // Either the service never saw it, or the answer was not kept.
      if (asked.length === before + 1) expect(evil.text, name).toBe(next.text);
      expect(next.text, name).not.toContain(`for ${value} at`);
      expect(next.text, name).not.toContain('evil');
    }
  });

  it('by parameters that the key leaves out, however they are written: the service does not see them either', async () => {
    const options = { key: { query: { ignore: ['utm_*', 'callback'] } } };
    const { get, asked } = await startCached(options, ({ url }) => ({ ...fresh(60), body: url as string }));
    for (const query of [
      'a=1&utm_source=x',
      'utm_source=%3Cscript%3E&a=1',
      'a=1&utm%5Fsource=x',
      'a=1&%63allback=evil',
      'a=1&callback',
    ])
      expect((await get(`/a?${query}`)).text).toBe('/a?a=1');
    expect(asked).toHaveLength(1);
  });

  it('by parameters that hide behind another separator: they are in the key', async () => {
    const options = { key: { query: { ignore: ['utm_*'] } } };
    const { get, asked } = await startCached(options, ({ url }) => ({ ...fresh(60), body: url as string }));
    await get('/a?a=1;utm_source=evil');
    expect((await get('/a?a=1')).text).toBe('/a?a=1');
    await get('/a?a=1&a=evil');
    expect((await get('/a?a=1')).text).toBe('/a?a=1');
    expect(asked).toHaveLength(3);
  });

  it('by an encoded delimiter: what a service may take for another path is another key', async () => {
    const { get } = await startCached({}, ({ url }) => ({ ...fresh(60), body: url as string }));
    const paths = [
      '/a/b',
      '/a%2Fb',
      '/a%3Fx=1',
      '/a?x=1',
      '/a%23',
      '/a%00',
      '/a;b',
      '/a%3Bb',
      '/a%26b',
      '/a%252Fb',
    ];
    const seen = new Map<string, string>();
    for (let round = 0; round < 2; round++) {
      for (const path of paths) {
        const { status, text } = await get(path);
        // Some are refused before a cache is asked; `%26` is the same as `&` in a path, and goes on as that.
        if (status !== 200) expect(status).toBe(400);
        else expect(seen.get(path) ?? text).toBe(text);
        seen.set(path, text);
      }
    }
    expect(seen.get('/a%3Fx=1')).toBe('/a%3Fx=1');
    expect(seen.get('/a%252Fb')).toBe('/a%252Fb');
  });

  it('by parts of a key that hold what separates parts', async () => {
    const { get, asked } = await startCached({ key: { headers: ['x-a', 'x-b'] } }, () => fresh(60));
    await get('/a', { 'x-a': '1', 'x-b': '2' });
    for (const headers of [
      { 'x-a': '1:2' },
      { 'x-b': '1:2' },
      { 'x-a': '1', 'x-b': '' },
      { 'x-a': '11:2' },
      { 'x-a': '1-' },
    ])
      await get('/a', headers as unknown as Record<string, string>);
    expect(asked).toHaveLength(6);
  });

  it('by HEAD: its empty answer is never that of a GET, also while a stale one is used', async () => {
    const { get, asked, clock } = await startCached({ staleWhileRevalidate: '60s' }, () => fresh(10));
    await get('/a', {}, 'HEAD');
    expect((await get('/a')).text).toBe('answer 1');
    clock.advance(11_000);
    for (let i = 0; i < 3; i++) await get('/a', {}, 'HEAD');
    // Time for a refresh that a HEAD began, if it did.
    await get('/other');
    expect((await get('/a')).text).not.toBe('');
    expect(asked.filter(({ method }) => method === 'GET').length).toBeGreaterThan(1);
  });

  it('by a GET with a body', async () => {
    const { gateway, get, asked } = await startCached({}, () => fresh(60));
    const head = 'GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n';
    await rawRequest(gateway.port, `${head}Content-Length: 4\r\n\r\nevil`);
    await rawRequest(gateway.port, `${head}Transfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n`);
    expect((await get('/a')).verdict).toContain('uri-miss');
    expect(asked).toHaveLength(3);
  });

  it('by the spelling of the host', async () => {
    const { gateway, asked } = await startCached({}, ({ headers }) => ({
      ...fresh(60),
      body: String(headers['x-forwarded-host']),
    }));
    const ask = async (host: string) => {
      const head = `GET /a HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
      return /[a-z]+\.test/i.exec((await rawRequest(gateway.port, head)).split('\r\n\r\n')[1] ?? '')?.[0];
    };
    await ask('evil.test');
    expect(await ask('good.test')).toBe('good.test');
    await ask('good.test:8443');
    expect(await ask('GOOD.test')).toBe('good.test');
    expect(asked.length).toBeGreaterThan(2);
  });
});

describe('a cache is not filled', () => {
  it('with variants: 64 of a resource stay, the newest', async () => {
    const { get, gateway } = await startCached({}, () => fresh(60, { vary: 'x-random' }));
    for (let i = 0; i < 80; i++) await get('/a', { 'x-random': String(i) });
    expect((await get('/a', { 'x-random': '79' })).verdict).toContain('hit');
    expect((await get('/a', { 'x-random': '0' })).verdict).toContain('vary-miss');
    expect(gateway.port).toBeGreaterThan(0);
  });

  it('with a Vary of more fields than anybody means', async () => {
    const vary = Array.from({ length: 40 }, (_, i) => `x-${i}`).join(', ');
    const { get, asked } = await startCached({}, () => fresh(60, { vary }));
    await get('/a');
    await get('/a');
    expect(asked).toHaveLength(2);
  });

  it('with huge heads: they count as what they take', async () => {
    const fields = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`x-${i}`, 'y'.repeat(1000)]));
    const { get } = await startCached({}, () => fresh(60, fields), { cache: { memory: '1MiB' } });
    const all = () => Promise.all(Array.from({ length: 120 }, (_, i) => get(`/${i}`)));
    await all();
    const again = await all();
    // 12 KiB each, of which some 80 have room.
    expect(again.filter(({ verdict }) => verdict.startsWith('hit')).length).toBeLessThan(85);
  });

  it('with bodies beyond maxBody, which nobody waits for either', async () => {
    const { get, asked } = await startCached({ maxBody: '0B' }, () => fresh(60));
    for (let i = 0; i < 3; i++) expect((await get('/a')).text).toBe(`answer ${i}`);
    await Promise.all([get('/a'), get('/a'), get('/a')]);
    expect(asked).toHaveLength(6);
  });
});

describe('a cache is not deceived', () => {
  it('into keeping a private page under the name of a file', async () => {
    const { get, asked } = await startCached({ maxAge: '60s' }, ({ headers }) => ({
      headers: { 'content-type': 'text/html' },
      body: `page of ${headers.cookie ?? 'nobody'}`,
    }));
    for (const path of [
      '/account/me.css',
      '/account%2Fme.css',
      '/account;me.css',
      '/account/..;/me.css',
      '/account%0Ame.css',
    ]) {
      await get(path, { cookie: 'session=victim' });
      expect((await get(path)).text, path).not.toContain('victim');
    }
    expect(asked.length).toBeGreaterThan(0);
  });

  it('by a cookie: what an answer says nothing of is kept for requests without one alone', async () => {
    const silent = await startCached({ maxAge: '60s', override: true, heuristic: true }, ({ headers }) => ({
      body: `page of ${headers.cookie ?? 'nobody'}`,
    }));
    await silent.get('/a', { cookie: 'session=victim' });
    expect((await silent.get('/a')).text).toBe('page of nobody');
    expect((await silent.get('/a', { cookie: 'session=other' })).text).toBe('page of session=other');
    expect((await silent.get('/a')).verdict).toContain('hit');
  });

  it('by a cookie that is in the key', async () => {
    const { get } = await startCached({ maxAge: '60s', key: { cookies: ['plan'] } }, ({ headers }) => ({
      body: `page of ${headers.cookie}`,
    }));
    await get('/a', { cookie: 'plan=gold' });
    expect(await get('/a', { cookie: 'plan=gold' })).toMatchObject({
      text: 'page of plan=gold',
      verdict: 'hit; ttl=60',
    });
    expect((await get('/a', { cookie: 'plan=silver' })).text).toBe('page of plan=silver');
  });
});
