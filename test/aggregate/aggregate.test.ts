import type { RequestListener } from 'node:http';
import { describe, expect, it } from 'vitest';
import { readAll, startGateway, startTarget, type TestConfig, type TestTarget } from '../support/harness.ts';

type Aggregate = NonNullable<NonNullable<TestConfig['routes']>[number]['aggregate']>;

/** Answers each path with what is written for it: JSON as it stands, or a status. */
function answering(answers: Readonly<Record<string, string | number>>): RequestListener {
  return (request, response) => {
    const answer = answers[request.url ?? ''];
    if (typeof answer === 'string') response.setHeader('content-type', 'application/json').end(answer);
    else
      response.writeHead(answer ?? 404, { 'content-type': 'application/json' }).end('{"error":"own words"}');
  };
}

/** Starts a gateway whose `/home/:id` is made of parts, all of the upstream `service`. */
async function startAggregate(
  target: Pick<TestTarget, 'url'>,
  aggregate: Aggregate,
  route: Partial<NonNullable<TestConfig['routes']>[number]> = {},
) {
  return startGateway({
    upstreams: { service: { targets: [target.url] } },
    routes: [{ id: 'home', path: '/home/:id', aggregate, ...route }],
  });
}

/** Header values are bytes, one character each. */
const utf8 = (text: string): string => Buffer.from(text).toString('latin1');

const get = async (url: string, init?: RequestInit) => {
  const response = await fetch(url, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
};

describe('a route with aggregate', () => {
  it('answers with the parts by their names, numbers as they were written', async () => {
    const target = await startTarget(
      answering({
        '/users/7': '{"id":12345678901234567890,"name":"Ada", "share":1.0}',
        '/orders?user=12345678901234567890': '[1.10,  2e2]',
      }),
    );
    const { url } = await startAggregate(target, {
      parts: {
        user: { upstream: 'service', path: '/users/{params.id}' },
        orders: { upstream: 'service', path: '/orders?user={parts.user.body.id}' },
      },
    });
    const { status, headers, text } = await get(`${url}/home/7`);
    expect(text).toBe('{"user":{"id":12345678901234567890,"name":"Ada", "share":1.0},"orders":[1.10,  2e2]}');
    expect([status, headers.get('content-type')]).toEqual([200, 'application/json']);
    expect(headers.has('x-partial')).toBe(false);
  });

  it('picks, renames, merges and wraps with a response template', async () => {
    const target = await startTarget(
      answering({ '/a': '{"name":"Ada","age":36}', '/b': '{"age":37,"city":"London"}' }),
    );
    const { url } = await startAggregate(target, {
      parts: { a: { upstream: 'service', path: '/a' }, b: { upstream: 'service', path: '/b' } },
      response: {
        '...': ['{parts.a.body}', '{parts.b.body}'],
        hello: 'Hello {parts.a.body.name}',
        nested: { list: ['{parts.b.body.city}', '{parts.b.body.none}'], none: '{parts.a.body.none}' },
        status: '{parts.a.status}',
        type: '{parts.a.headers.content-type}',
      },
    });
    expect(JSON.parse((await get(`${url}/home/7`)).text)).toEqual({
      name: 'Ada',
      age: 37,
      city: 'London',
      hello: 'Hello Ada',
      nested: { list: ['London', null] },
      status: 200,
      type: 'application/json',
    });
  });

  it('asks parts that need nothing at once', async () => {
    const waiting: (() => void)[] = [];
    const target = await startTarget((_, response) => {
      waiting.push(() => response.end('1'));
      if (waiting.length === 2) for (const answer of waiting) answer();
    });
    const { url } = await startAggregate(target, {
      parts: { a: { upstream: 'service', path: '/a' }, b: { upstream: 'service', path: '/b' } },
    });
    expect((await get(`${url}/home/7`)).text).toBe('{"a":1,"b":1}');
  });

  it('puts the fallback in the place of an optional part that failed, and says so', async () => {
    const target = await startTarget(answering({ '/user': '{"name":"Ada"}', '/orders': 500 }));
    const { url } = await startAggregate(target, {
      parts: {
        user: { upstream: 'service', path: '/user' },
        orders: { upstream: 'service', path: '/orders', optional: true, fallback: [] },
        offers: { upstream: 'service', path: '/offers', optional: true },
      },
    });
    const { status, headers, text } = await get(`${url}/home/7`);
    expect(status).toBe(200);
    expect(headers.get('x-partial')?.split(', ').sort()).toEqual(['offers', 'orders']);
    expect(headers.get('cache-control')).toBe('no-store');
    const { _partial, ...rest } = JSON.parse(text);
    expect(rest).toEqual({ user: { name: 'Ada' }, orders: [] });
    expect(_partial).toHaveLength(2);
    expect(_partial).toContainEqual({ part: 'orders', code: 'GW_PART_FAILED', status: 500 });
    expect(_partial).toContainEqual({ part: 'offers', code: 'GW_PART_FAILED', status: 404 });
  });

  it.each([
    [500, 502, 'GW_PART_FAILED'],
    [404, 502, 'GW_PART_FAILED'],
    [302, 502, 'GW_PART_FAILED'],
    [503, 503, 'GW_PART_UNAVAILABLE'],
    [504, 504, 'GW_PART_TIMEOUT'],
  ])('answers a required part that answered %i with %i, naming it', async (own, status, code) => {
    const target = await startTarget(answering({ '/user': own }));
    const { url } = await startAggregate(target, { parts: { user: { upstream: 'service', path: '/user' } } });
    const answer = await get(`${url}/home/7`);
    expect(JSON.parse(answer.text)).toMatchObject({ status, code, part: 'user' });
    expect(answer.status).toBe(status);
    expect(answer.text).not.toContain('own words');
  });

  it('answers 503 with Retry-After where a required part cannot be reached', async () => {
    const gone = await startTarget();
    await gone.close();
    const { url } = await startAggregate(gone, { parts: { user: { upstream: 'service', path: '/user' } } });
    const { status, headers, text } = await get(`${url}/home/7`);
    expect([status, headers.has('retry-after')]).toEqual([503, true]);
    expect(JSON.parse(text)).toMatchObject({ code: 'GW_PART_UNAVAILABLE', part: 'user' });
  });

  it('passes the 4xx of a required part on where passStatus says so, and no other', async () => {
    const target = await startTarget(answering({ '/user/7': 404, '/user/8': 500 }));
    const { url } = await startAggregate(target, {
      passStatus: true,
      parts: { user: { upstream: 'service', path: '/user/{params.id}' } },
    });
    const passed = await get(`${url}/home/7`);
    expect([passed.status, passed.text]).toEqual([404, '{"error":"own words"}']);
    expect((await get(`${url}/home/8`)).status).toBe(502);
  });

  it('asks for each element of a list, in order, at most as many at once as told', async () => {
    const open: (() => void)[] = [];
    let most = 0;
    let asked = 0;
    const target = await startTarget((request, response) => {
      if (request.url === '/orders')
        return response.end('[{"sku":"a"},{"sku":"b/c"},{"sku":"d"},{"sku":"a"}]');
      open.push(() => response.end(JSON.stringify(request.url)));
      most = Math.max(most, open.length);
      asked++;
      // The first two wait for each other, so that they would wait for ever if there was but one at once.
      if (open.length === 2 || asked === 3) for (const answer of open.splice(0)) answer();
    });
    const { url } = await startAggregate(target, {
      parts: {
        orders: { upstream: 'service', path: '/orders' },
        prices: {
          upstream: 'service',
          forEach: '{parts.orders.body}',
          as: 'order',
          path: '/prices/{order.sku}',
          concurrency: 2,
        },
      },
      response: { total: '{parts.prices}' },
    });
    expect((await get(`${url}/home/7`)).text).toBe(
      '{"total":["/prices/a","/prices/b%2Fc","/prices/d","/prices/a"]}',
    );
    expect(most).toBe(2);
    expect(target.requests.filter(({ url }) => url === '/prices/a')).toHaveLength(1);
  });

  it('fails a part whose list is longer than maxItems, asking for none of it', async () => {
    const target = await startTarget(answering({ '/orders': '[1,2,3]' }));
    const { url } = await startAggregate(target, {
      parts: {
        orders: { upstream: 'service', path: '/orders' },
        prices: { upstream: 'service', forEach: '{parts.orders.body}', as: 'n', path: '/{n}', maxItems: 2 },
      },
    });
    expect((await get(`${url}/home/7`)).status).toBe(502);
    expect(target.requests).toHaveLength(1);
  });

  it('leaves null for an element of an optional part that failed', async () => {
    const target = await startTarget(answering({ '/1': '"one"', '/3': '"three"' }));
    const { url } = await startAggregate(target, {
      parts: {
        all: {
          upstream: 'service',
          forEach: '{claims.none}',
          as: 'n',
          path: '/{n}',
          optional: true,
          fallback: [],
        },
        list: { upstream: 'service', path: '/list', optional: true, fallback: [1, 2, 3] },
        each: { upstream: 'service', forEach: '{parts.list.body}', as: 'n', path: '/{n}', optional: true },
      },
    });
    const { _partial, ...rest } = JSON.parse((await get(`${url}/home/7`)).text);
    expect(rest).toEqual({ all: [], list: [1, 2, 3], each: ['one', null, 'three'] });
    expect(_partial.map(({ part }: { part: string }) => part).sort()).toEqual(['all', 'each', 'list']);
  });

  it('skips a part whose condition does not hold, and those that cannot be asked without it', async () => {
    const target = await startTarget(answering({ '/user': '{"vip":false}' }));
    const { url } = await startAggregate(target, {
      parts: {
        user: { upstream: 'service', path: '/user' },
        offer: { upstream: 'service', path: '/offer', when: 'parts.user.body.vip == true' },
        detail: { upstream: 'service', path: '/offers/{parts.offer.body.id}' },
      },
    });
    const { headers, text } = await get(`${url}/home/7`);
    expect(text).toBe('{"user":{"vip":false}}');
    expect(headers.has('x-partial')).toBe(false);
    expect(target.requests).toHaveLength(1);
  });

  it('sends method, header, query and body as told, and nothing of the client but what is named', async () => {
    const target = await startTarget();
    const { url } = await startAggregate(target, {
      parts: {
        offer: {
          upstream: 'service',
          method: 'POST',
          path: '/offers?x={query.x}',
          query: { tags: '{query.none}', 'a b': '{query.x}&{params.id}' },
          headers: { 'x-tenant': '{headers.x-tenant}', 'x-none': '{headers.x-none}' },
          body: { id: '{params.id}', fixed: [1, null, true], text: 'no {query.x}' },
        },
      },
    });
    const { text } = await get(`${url}/home/7?x=1%262`, {
      headers: { 'x-tenant': utf8('é'), cookie: 'session=1', authorization: 'Bearer secret' },
    });
    const { offer } = JSON.parse(text);
    expect(offer.method).toBe('POST');
    expect(offer.url).toBe('/offers?x=1%262&a%20b=1%262%267');
    expect(JSON.parse(offer.body)).toEqual({ id: '7', fixed: [1, null, true], text: 'no 1&2' });
    expect(offer.headers).toMatchObject({ 'x-tenant': utf8('é'), 'content-type': 'application/json' });
    for (const name of ['cookie', 'authorization', 'x-none', 'user-agent', 'x-auth-subject'])
      expect(offer.headers).not.toHaveProperty(name);
  });

  it('asks the same with GET once', async () => {
    const target = await startTarget(answering({ '/same': '{"a":1.0}' }));
    const { url } = await startAggregate(target, {
      parts: {
        one: { upstream: 'service', path: '/same' },
        two: { upstream: 'service', path: '/same' },
        posted: { upstream: 'service', path: '/same', method: 'POST' },
      },
    });
    expect((await get(`${url}/home/7`)).text).toBe('{"one":{"a":1.0},"two":{"a":1.0},"posted":{"a":1.0}}');
    expect(target.requests.map(({ method }) => method).sort()).toEqual(['GET', 'POST']);
  });

  it.each([
    ['no JSON', '<html>', {}],
    ['too large', `"${'x'.repeat(2000)}"`, { maxBody: '1KiB' }],
    ['nested too deep', '[[[[1]]]]', {}],
  ])('fails a part whose answer is %s', async (_, body, part) => {
    const target = await startTarget((_request, response) => response.end(body));
    const { url, accessLog } = await startAggregate(target, {
      maxDepth: 3,
      parts: { page: { upstream: 'service', path: '/', ...part } },
    });
    expect(JSON.parse((await get(`${url}/home/7`)).text)).toMatchObject({ status: 502, part: 'page' });
    expect(accessLog()[0]).toMatchObject({
      parts: [{ part: 'page', outcome: 'failed', upstream: 'service' }],
    });
  });

  it('bounds the answers of all parts together', async () => {
    const target = await startTarget((_request, response) => response.end(`"${'x'.repeat(700)}"`));
    const { url } = await startAggregate(target, {
      maxBody: '1KiB',
      parts: { a: { upstream: 'service', path: '/a' }, b: { upstream: 'service', path: '/b' } },
    });
    expect((await get(`${url}/home/7`)).status).toBe(502);
  });

  it('takes an answer as text where told', async () => {
    const target = await startTarget((_request, response) => response.end('<h1>"Tag"</h1>'));
    const { url } = await startAggregate(target, {
      parts: { page: { upstream: 'service', path: '/', format: 'text' } },
    });
    expect((await get(`${url}/home/7`)).text).toBe(JSON.stringify({ page: '<h1>"Tag"</h1>' }));
  });

  it('gives null for an empty answer', async () => {
    const target = await startTarget((_request, response) => response.writeHead(204).end());
    const { url } = await startAggregate(target, { parts: { none: { upstream: 'service', path: '/' } } });
    expect((await get(`${url}/home/7`)).text).toBe('{"none":null}');
  });

  it('answers 400 where the request lacks what a required part is asked with', async () => {
    const target = await startTarget();
    const { url } = await startAggregate(target, {
      parts: { user: { upstream: 'service', path: '/users/{query.user}' } },
    });
    for (const query of ['', '?user=', '?user=..', '?user=.', '?user=../admin', '?user=a%5C..']) {
      const { status, text } = await get(`${url}/home/7${query}`);
      expect([query, status, JSON.parse(text).code]).toEqual([query, 400, 'GW_INPUT_MISSING']);
    }
    expect(target.requests).toHaveLength(0);
  });

  it('counts each part by what came of it', async () => {
    const target = await startTarget(answering({ '/ok': '1' }));
    const { url, gateway, adminPort } = await startAggregate(target, {
      parts: {
        ok: { upstream: 'service', path: '/ok' },
        again: { upstream: 'service', path: '/ok' },
        bad: { upstream: 'service', path: '/bad', optional: true },
        off: { upstream: 'service', path: '/ok', when: 'false' },
      },
    });
    await get(`${url}/home/7`);
    const metrics = await get(`${url.replace(/\d+$/, String(adminPort))}/metrics`);
    for (const [part, outcome] of [
      ['ok', 'ok'],
      ['again', 'shared'],
      ['bad', 'failed'],
      ['off', 'skipped'],
    ])
      expect(metrics.text).toContain(
        `gateway_aggregate_parts_total{route="home",part="${part}",outcome="${outcome}"} 1`,
      );
    expect(gateway).toBeDefined();
  });

  it('answers HEAD without a body, and asks as for GET', async () => {
    const target = await startTarget(answering({ '/a': '1' }));
    const { url } = await startAggregate(target, { parts: { a: { upstream: 'service', path: '/a' } } });
    const { status, headers, text } = await get(`${url}/home/7`, { method: 'HEAD' });
    expect([status, headers.get('content-length'), text]).toEqual([200, '7', '']);
  });

  it('takes no harm from a request body that nobody reads', async () => {
    const target = await startTarget(answering({ '/a': '1' }));
    const { url } = await startAggregate(target, { parts: { a: { upstream: 'service', path: '/a' } } });
    const response = await fetch(`${url}/home/7`, { method: 'POST', body: 'x'.repeat(100_000) });
    expect(
      (await readAll(response.body as AsyncIterable<Uint8Array> & typeof response.body)).toString(),
    ).toBe('{"a":1}');
  });
});
