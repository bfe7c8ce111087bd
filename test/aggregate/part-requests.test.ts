import { createHmac } from 'node:crypto';
import { describe, expect, expectTypeOf, it, onTestFinished } from 'vitest';
import { aggregate, createGateway, part } from '../../src/index.ts';
import { MemoryDestination } from '../observability/memory-destination.ts';
import { readAll, startGateway, startTarget, type TestConfig } from '../support/harness.ts';
import { until } from '../support/until.ts';
import { ManualClock } from '../upstream/discovery/manual-clock.ts';

type Route = NonNullable<TestConfig['routes']>[number];
type Aggregate = NonNullable<Route['aggregate']>;

const SECRET = 'a secret of at least 32 characters';

function tokenOf(subject: string): string {
  const encode = (data: object) => Buffer.from(JSON.stringify(data)).toString('base64url');
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub: subject, exp: 4e9 })}`;
  return `Bearer ${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

const jwt = (more: object = {}) => [{ jwt: { service: 'main', ...more } }] as NonNullable<Route['policies']>;

/** Starts a gateway with the route `/home`, made of parts of the upstream `service`, which answers with its own count. */
async function start(parts: Aggregate['parts'], route: Partial<Route> = {}, more: Partial<Aggregate> = {}) {
  let count = 0;
  let headers: Record<string, string> = {};
  const hanging: (() => void)[] = [];
  const target = await startTarget(async (request, response) => {
    const body = (await readAll(request)).toString();
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (request.url === '/hang') await new Promise<void>((resolve) => hanging.push(resolve));
    const seen = { n: ++count, url: request.url, body, headers: request.headers };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(seen));
  });
  const clock = new ManualClock();
  const gateway = await startGateway(
    {
      upstreams: { service: { targets: [target.url], retries: { max: 0 } } },
      authServices: { main: { secret: SECRET, algorithms: ['HS256'] } },
      internalTokens: { issuer: 'https://gateway.example' },
      routes: [{ id: 'home', path: '/home', aggregate: { parts, ...more }, ...route }],
    },
    { clock },
  );
  const get = async (init?: RequestInit, path = '/home') => {
    const response = await fetch(gateway.url + path, init);
    return { status: response.status, body: JSON.parse(await response.text()) };
  };
  const answerWith = (next: Record<string, string>): void => {
    headers = next;
  };
  return { target, clock, gateway, get, answerWith, hanging };
}

describe('a part with cache', () => {
  it('is asked once in its time, and again after it', async () => {
    const { clock, get, gateway } = await start({ a: { upstream: 'service', path: '/a?x=1', cache: '10s' } });
    expect([(await get()).body.a.n, (await get()).body.a.n]).toEqual([1, 1]);
    clock.advance(9000);
    expect((await get()).body.a.n).toBe(1);
    clock.advance(2000);
    expect((await get()).body.a.n).toBe(2);
    const metrics = await (
      await fetch(`${gateway.url.replace(/\d+$/, String(gateway.adminPort))}/metrics`)
    ).text();
    expect(metrics).toContain('gateway_aggregate_parts_total{route="home",part="a",outcome="cached"} 2');
    expect(metrics).toContain('gateway_aggregate_parts_total{route="home",part="a",outcome="ok"} 2');
    expect(gateway.accessLog()[1]).toMatchObject({ parts: [{ part: 'a', outcome: 'cached' }] });
  });

  it('is asked anew where its response says that it must be', async () => {
    const { get, answerWith } = await start({ a: { upstream: 'service', path: '/a', cache: '10s' } });
    for (const headers of [
      { 'cache-control': 'no-store' },
      { 'cache-control': 'private' },
      { 'set-cookie': 'a=1' },
    ]) {
      answerWith(headers as Record<string, string>);
      const first = (await get()).body.a.n;
      expect((await get()).body.a.n).toBe(first + 1);
    }
  });

  it('has a response for each value of the headers that it sends', async () => {
    const { get } = await start({
      a: { upstream: 'service', path: '/a', cache: '10s', headers: { 'x-tenant': '{headers.x-tenant}' } },
      b: { upstream: 'service', path: '/a', cache: '10s', headers: { 'x-other': '{headers.x-tenant}' } },
    });
    const seen = async (tenant: string) => {
      const { a, b } = (await get({ headers: { 'x-tenant': tenant } })).body;
      return [a.headers['x-tenant'], b.headers['x-other'], a.headers['x-other']];
    };
    for (const tenant of ['one', 'two', 'one'])
      expect(await seen(tenant)).toEqual([tenant, tenant, undefined]);
  });

  it('has a response for each caller where it is told who calls', async () => {
    const { get } = await start(
      {
        mine: { upstream: 'service', path: '/a', cache: '10s', identity: true },
        ours: { upstream: 'service', path: '/b', cache: '10s' },
      },
      { policies: jwt() },
    );
    const seen = async (subject: string) => {
      const { mine, ours } = (await get({ headers: { authorization: tokenOf(subject) } })).body;
      return [mine.headers['x-auth-subject'], ours.headers['x-auth-subject'], ours.n];
    };
    const [[, , n]] = [await seen('ada')];
    expect(await seen('bob')).toEqual(['bob', undefined, n]);
    expect(await seen('ada')).toEqual(['ada', undefined, n]);
  });

  it('is asked once for all who want it at one time', async () => {
    const { get, target, hanging } = await start({ a: { upstream: 'service', path: '/hang', cache: '10s' } });
    const answers = Array.from({ length: 5 }, () => get());
    await until(() => hanging.length === 1);
    hanging[0]?.();
    expect((await Promise.all(answers)).map(({ body }) => body.a.n)).toEqual([1, 1, 1, 1, 1]);
    expect(target.requests).toHaveLength(1);
  });

  it('keeps the deadline while it waits for others', async () => {
    const { get, clock, hanging } = await start(
      { a: { upstream: 'service', path: '/hang', cache: '10s' } },
      {},
      { deadline: '800ms' },
    );
    const answers = [get(), get()];
    await until(() => hanging.length === 1 && clock.planned().filter((ms) => ms === 800).length === 2);
    clock.advance(800);
    for (const answer of answers) expect(await answer).toMatchObject({ status: 504, body: { part: 'a' } });
    hanging[0]?.();
  });
});

describe('the body of the request', () => {
  const parts: Aggregate['parts'] = {
    a: {
      upstream: 'service',
      method: 'POST',
      path: '/users/{body.user.id}',
      query: { q: '{body.list}' },
      body: { all: '{body}', one: '{body.list[1]}' },
      when: "body.kind == 'x'",
    },
  };
  const post = (body: string, headers: Record<string, string> = { 'content-type': 'application/json' }) => ({
    method: 'POST',
    headers,
    body,
  });

  it('is what parts and the response may refer to, numbers as they were written', async () => {
    const { get } = await start(parts, {}, { response: { mine: '{body.user}', a: '{parts.a.body}' } });
    const text = '{"user":{"id":12345678901234567890}, "list":[1.0,2e1],"kind":"x"}';
    const { body } = await get(post(text));
    expect(body.a.url).toBe('/users/12345678901234567890?q=1.0&q=2e1');
    expect(body.a.body).toBe(`{"all":${text},"one":2e1}`);
    expect(JSON.stringify(body.mine)).toContain('12345678901234567000');
  });

  it('is bounded, and JSON', async () => {
    const { get, target } = await start(parts, {}, { maxRequestBody: '1KiB', maxDepth: 4 });
    const codeOf = async (body: string, type = 'application/json') => {
      const { status, body: problem } = await get(post(body, { 'content-type': type }));
      return [status, problem.code];
    };
    expect(await codeOf('{}', 'text/plain')).toEqual([415, 'GW_MEDIA_TYPE_UNSUPPORTED']);
    expect(await codeOf('{')).toEqual([400, 'GW_BODY_NOT_JSON']);
    expect(await codeOf('[[[[[1]]]]]')).toEqual([400, 'GW_BODY_NOT_JSON']);
    expect(await codeOf(`"${'x'.repeat(2000)}"`)).toEqual([413, 'GW_BODY_TOO_LARGE']);
    expect(await codeOf('{"kind":"x","user":{"id":".."}}')).toEqual([400, 'GW_INPUT_MISSING']);
    expect(await codeOf('{"kind":"x"}')).toEqual([400, 'GW_INPUT_MISSING']);
    expect(target.requests).toHaveLength(0);
    expect(await get()).toEqual({ status: 200, body: {} });
  });
});

it('a part that is told who calls gets a token of the gateway where the credential is exchanged for one', async () => {
  const { get } = await start(
    {
      told: { upstream: 'service', path: '/told', identity: true },
      again: { upstream: 'service', path: '/again', identity: true, cache: '10s' },
      untold: { upstream: 'service', path: '/untold' },
    },
    { policies: jwt({ forward: 'exchange' }) },
  );
  const { body } = await get({ headers: { authorization: tokenOf('ada') } });
  for (const name of ['told', 'again']) {
    const [, payload = ''] = body[name].headers.authorization.split('.');
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({
      iss: 'https://gateway.example',
      aud: 'service',
      sub: 'ada',
    });
  }
  expect(body.untold.headers).not.toHaveProperty('authorization');
});

describe('compose as a function in the configuration', () => {
  interface User {
    readonly name: string;
  }

  it('gets what its parts are declared to give', async () => {
    const target = await startTarget((request, response) =>
      response.end(request.url === '/user' ? '{"name":"Ada"}' : '[1,2]'),
    );
    const gateway = await createGateway({
      config: {
        listeners: [{ port: 0 }],
        upstreams: { service: { targets: [target.url] } },
        routes: [
          {
            id: 'home',
            path: '/home',
            aggregate: aggregate({
              parts: {
                user: part<User>({ upstream: 'service', path: '/user' }),
                list: part<readonly number[]>({ upstream: 'service', path: '/list', optional: true }),
                each: part<User>({
                  upstream: 'service',
                  forEach: '{parts.list.body}',
                  as: 'n',
                  path: '/user',
                }),
                offer: part<User>({ upstream: 'service', path: '/user', when: 'false' }),
                plain: { upstream: 'service', path: '/user' },
              },
              compose({ user, list, each, offer, plain }) {
                expectTypeOf(user).toEqualTypeOf<User>();
                expectTypeOf(list).toEqualTypeOf<readonly number[] | undefined>();
                expectTypeOf(each).toEqualTypeOf<readonly User[]>();
                expectTypeOf(offer).toEqualTypeOf<User | undefined>();
                expectTypeOf(plain).toEqualTypeOf<unknown>();
                return { hello: user.name, sum: list?.reduce((a, b) => a + b), each: each.length, offer };
              },
            }),
          },
        ],
      },
      logDestination: new MemoryDestination(),
    });
    onTestFinished(() => gateway.close());
    const { status, body } = await gateway.inject({ url: '/home' });
    expect([status, JSON.parse(body.toString())]).toEqual([200, { hello: 'Ada', sum: 3, each: 2 }]);
  });
});
