import { request as httpRequest } from 'node:http';
import { describe, expect, it } from 'vitest';
import { rawRequest, startGateway, startTarget } from '../../support/harness.ts';
import { until } from '../../support/until.ts';
import { fresh, startCached } from './cached-gateway.ts';

/** Something to wait for, which a test lets happen. */
function makeGate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open: () => open() };
}

describe('requests at the same time', () => {
  it('that want other variants wait for one of each', async () => {
    const gate = makeGate();
    const { get, asked } = await startCached({}, async (_, index) => {
      if (index === 0) await gate.opened;
      return fresh(60, { vary: 'accept-language' });
    });
    const languages = Array.from({ length: 30 }, (_, i) => ['de', 'en', 'fr'][i % 3] as string);
    const all = Promise.all(languages.map((language) => get('/a', { 'accept-language': language })));
    await until(() => asked.length === 1);
    gate.open();
    const got = await all;
    expect(asked).toHaveLength(3);
    for (const [i, { text }] of got.entries()) expect(text).toBe(got[i % 3]?.text);
  });

  it('wait again after a failure, which was nobody else’s', async () => {
    const { get, asked } = await startCached({}, (_, index) => (index === 0 ? { status: 503 } : fresh(60)));
    expect((await get('/a')).status).toBe(503);
    await Promise.all(Array.from({ length: 20 }, () => get('/a')));
    expect(asked).toHaveLength(2);
  });

  it('do not wait for what was too large before', async () => {
    const gate = makeGate();
    const { get, asked } = await startCached({ maxBody: '1KiB' }, async (_, index) => {
      if (index > 0) await gate.opened;
      return { ...fresh(60), body: 'x'.repeat(2000) };
    });
    await get('/a');
    const all = Promise.all([get('/a'), get('/a'), get('/a')]);
    await until(() => asked.length === 4);
    gate.open();
    await all;
  });
});

describe('a 503 that says for how long it is good', () => {
  it('is not asked for again at the same target, but at another one', async () => {
    let isWell = true;
    const [one, other] = await Promise.all(
      [true, false].map((isFirst) =>
        startTarget((_, response) => {
          const lasting = { 'cache-control': 'max-age=60' };
          response.writeHead(isFirst || !isWell ? 503 : 200, lasting).end();
        }),
      ),
    );
    const routes = [{ id: 'all', path: '/*', upstream: 'service', policies: [{ cache: {} }] }];
    const alone = await startGateway({ upstreams: { service: { targets: [one!.url] } }, routes });
    expect((await fetch(`${alone.url}/a`)).status).toBe(503);
    expect(one!.requests).toHaveLength(1);
    const both = await startGateway({ upstreams: { service: { targets: [one!.url, other!.url] } }, routes });
    for (const path of ['/a', '/b']) expect((await fetch(both.url + path)).status).toBe(200);
    isWell = false;
    expect((await fetch(`${both.url}/c`)).status).toBe(503);
    // Each was asked once for the last one.
    expect(one!.requests.filter(({ url }) => url === '/c')).toHaveLength(1);
    expect(other!.requests.filter(({ url }) => url === '/c')).toHaveLength(1);
  });
});

describe('what changes a resource', () => {
  it('takes out what is stored under a key without its ignored parameters', async () => {
    const { get, asked } = await startCached({ key: { query: { ignore: ['utm_*'] } } }, () => fresh(60));
    await get('/a?b=1');
    await get('/a?utm_source=x&b=1', {}, 'POST');
    await get('/a?b=1&utm_medium=y');
    expect(asked.map(({ method }) => method)).toEqual(['GET', 'POST', 'GET']);
  });

  it('takes out the path with an empty query', async () => {
    const { get, asked } = await startCached({}, () => fresh(60));
    await get('/a?');
    await get('/a?', {}, 'PUT');
    await get('/a?');
    expect(asked).toHaveLength(3);
  });
});

describe('a stored response', () => {
  it('that a HEAD made fresh says nothing of the HEAD', async () => {
    const { get, clock } = await startCached({}, () => fresh(10, { etag: '"a"', 'cache-tag': 'x' }));
    await get('/a');
    clock.advance(11_000);
    await get('/a', {}, 'HEAD');
    expect((await get('/a')).headers.get('cache-status')).toBe('sallyport; hit; ttl=10');
  });

  it('passes its trailers on to who reads along, and is stored without', async () => {
    const target = await startTarget((_, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60', trailer: 'x-sum' });
      response.write('part');
      response.addTrailers({ 'x-sum': '1' });
      response.end();
    });
    const gateway = await startGateway({
      upstreams: { service: { targets: [target.url] } },
      routes: [{ id: 'all', path: '/*', upstream: 'service', policies: [{ cache: {} }] }],
    });
    const ask = () =>
      new Promise<NodeJS.Dict<string>>((resolve, reject) =>
        httpRequest(gateway.url, { headers: { te: 'trailers', connection: 'te' } }, (response) => {
          response.resume().on('end', () => resolve(response.trailers));
        })
          .on('error', reject)
          .end(),
      );
    expect(await ask()).toEqual({ 'x-sum': '1' });
    expect(await ask()).toEqual({});
  });

  it('is used by clients of HTTP/1.0', async () => {
    const { get, gateway } = await startCached({}, () => fresh(60));
    await get('/a');
    const { host } = new URL(gateway.url);
    const answer = await rawRequest(gateway.port, `GET /a HTTP/1.0\r\nHost: ${host}\r\n\r\n`);
    expect(answer).toContain('; hit; ');
    expect(answer.split('\r\n\r\n')[1]).toBe('answer 0');
  });
});
