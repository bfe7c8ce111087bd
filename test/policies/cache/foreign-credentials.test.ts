import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createGateway, definePolicy } from '../../../src/index.ts';
import { createSecretSigner, signToken } from '../../auth/test-tokens.ts';
import { startTarget } from '../../support/harness.ts';
import { fresh, startCached } from './cached-gateway.ts';

const SECRET = 'a secret of the gateway and its issuer, 42';

/** A service that knows its callers by a header of its own. */
const knowing =
  (name: string, control: Record<string, string>) =>
  ({ headers }: IncomingMessage) => ({ headers: control, body: `for ${headers[name] ?? 'nobody'}` });

const FRESH = { 'cache-control': 'max-age=60' };

describe('a credential that no policy understands', () => {
  it.each([
    ...[
      'x-api-key',
      'X-Auth-Token',
      'x-access-token',
      'Ocp-Apim-Subscription-Key',
      'x-session-id',
      'x-csrf-token',
    ],
    ...[
      'private-token',
      'x-amz-security-token',
      'x-goog-api-key',
      'dpop',
      'x-jwt-assertion',
      'apikey',
      'token',
    ],
    ...[
      'x-user-id',
      'Remote-User',
      'x-tenant',
      'x-account-id',
      'x-customer',
      'x_api_key',
      'x-consumer-username',
    ],
    'cookie',
  ])('in %s keeps answers from all others, unless they say that they are for all', async (name) => {
    for (const control of [{}, FRESH, { expires: new Date(4e12).toUTCString() }]) {
      const options = {
        maxAge: '60s',
        override: true,
        heuristic: true,
        staleWhileRevalidate: '60s',
      } as const;
      const { get, asked } = await startCached(options, knowing(name.toLowerCase(), control));
      // Of `x-auth-…` the gateway lets none pass, so that the service knows nobody.
      const isDropped = name.toLowerCase().startsWith('x-auth-');
      const who = (value: string) => (isDropped ? 'for nobody' : `for ${value}`);
      expect((await get('/a', { [name]: 'id=ann' })).text).toBe(who('id=ann'));
      expect((await get('/a', { [name]: 'id=bob' })).text).toBe(who('id=bob'));
      expect((await get('/a')).text).toBe('for nobody');
      const all = await Promise.all(['ann', 'bob', 'ann'].map((id) => get('/b', { [name]: `id=${id}` })));
      expect(all.map(({ text }) => text)).toEqual(['ann', 'bob', 'ann'].map((id) => who(`id=${id}`)));
      expect(asked.length).toBeGreaterThan(isDropped ? 0 : 4);
    }
    const shared = await startCached(
      {},
      knowing(name.toLowerCase(), { 'cache-control': 'public, max-age=60' }),
    );
    await shared.get('/a', { [name]: 'id=ann' });
    expect((await shared.get('/a', { [name]: 'id=bob' })).verdict).toBe('hit; ttl=60');
  });

  it('that the answer is selected by has an answer for each of its values', async () => {
    const { get } = await startCached({}, knowing('x-api-key', { ...FRESH, vary: 'X-API-Key' }));
    await get('/a', { 'x-api-key': 'ann' });
    expect(await get('/a', { 'x-api-key': 'ann' })).toMatchObject({
      text: 'for ann',
      verdict: 'hit; ttl=60',
    });
    expect((await get('/a', { 'x-api-key': 'bob' })).text).toBe('for bob');
    expect((await get('/a')).text).toBe('for nobody');
    // One by another credential beside it is nobody's to give.
    expect((await get('/a', { 'x-api-key': 'ann', 'x-user-token': '1' })).verdict).toContain('fwd=');
  });

  it('that is in the key has an answer for each of its values', async () => {
    const { get } = await startCached({ key: { headers: ['X-Api-Key'] } }, knowing('x-api-key', FRESH));
    await get('/a', { 'x-api-key': 'ann' });
    expect(await get('/a', { 'x-api-key': 'ann' })).toMatchObject({
      text: 'for ann',
      verdict: 'hit; ttl=60',
    });
    expect((await get('/a', { 'x-api-key': 'bob' })).text).toBe('for bob');
  });

  it('in the query is in the key', async () => {
    const { get, asked } = await startCached({}, ({ url }) => ({ ...fresh(60), body: url as string }));
    for (const name of ['access_token', 'api_key', 'token', 'sig'])
      for (const value of ['ann', 'bob']) expect((await get(`/a?${name}=${value}`)).text).toContain(value);
    expect(asked).toHaveLength(8);
  });

  it('does not keep what was asked for without one from being stored', async () => {
    const { get, asked } = await startCached({}, () => fresh(60));
    const browser = {
      'accept-language': 'de',
      'user-agent': 'Mozilla/5.0',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-user': '?1',
      'x-requested-with': 'XMLHttpRequest',
      'idempotency-key': '1',
      'test-id': 'a',
      'req-num': '1',
    };
    await get('/a', browser);
    expect((await get('/a', { 'x-custom': '1' })).verdict).toBe('hit; ttl=60');
    expect(asked).toHaveLength(1);
  });

  it('in a cookie gets what was asked for without one and names its lifetime, and leaves it as it is', async () => {
    const { get, clock, asked } = await startCached({}, ({ headers }) => ({
      status: headers['if-none-match'] === undefined ? 200 : 304,
      headers: { ...FRESH, etag: '"1"', 'x-for': headers.cookie ?? 'nobody' },
    }));
    await get('/a');
    expect((await get('/a', { cookie: 'id=ann' })).verdict).toBe('hit; ttl=60');
    clock.advance(61_000);
    const renewed = await get('/a', { cookie: 'id=ann' });
    expect(renewed).toMatchObject({ text: 'answer 0', verdict: 'fwd=stale; fwd-status=304' });
    expect(renewed.headers.get('x-for')).toBe('id=ann');
    const bob = await get('/a', { cookie: 'id=bob' });
    expect(bob.headers.get('x-for')).toBe('id=bob');
    expect((await get('/a')).headers.get('x-for')).toBe('nobody');
    expect((await get('/a', { cookie: 'id=ann' })).headers.get('x-for')).toBe('nobody');
    expect(asked).toHaveLength(4);
  });
});

describe('a caller whom a policy has identified as an application', () => {
  const bearer = (sub: string, more: Record<string, unknown> = {}) => ({
    authorization: `Bearer ${signToken(createSecretSigner(SECRET), { sub, exp: 4_000_000_000, ...more })}`,
  });
  const identified = {
    authServices: { main: { secret: SECRET, algorithms: ['HS256'] as const } },
    policies: [{ jwt: { from: { header: 'x-app' } } }],
  };
  const app = { 'x-app': bearer('app').authorization.slice(7) };

  it.each(['authorization', 'cookie', 'x-user-token', 'x-user-id'])(
    'shares nothing among users whom the service knows by %s',
    async (name) => {
      const { get, asked } = await startCached({ maxAge: '60s' }, knowing(name, FRESH), identified as never);
      const as = (user: string) => get('/a', { ...app, [name]: user });
      expect((await as('id=ann')).text).toBe('for id=ann');
      expect((await as('id=bob')).text).toBe('for id=bob');
      expect(await as('id=ann')).toMatchObject({ text: 'for id=ann', verdict: 'hit; ttl=60' });
      expect((await get('/a', app)).text).toBe('for nobody');
      expect(asked).toHaveLength(3);
    },
  );

  it('keeps its answers when only its token is another one', async () => {
    const { get } = await startCached({ maxAge: '60s' }, () => ({}), {
      ...identified,
      policies: ['jwt'],
    } as never);
    await get('/a', bearer('ann', { jti: '1' }));
    expect((await get('/a', bearer('ann', { jti: '2' }))).verdict).toBe('hit; ttl=60');
  });
});

/** Writes a header from a cookie, which is in no key, as policies of one's own do. */
const tenant = definePolicy({
  name: 'test/tenant',
  options: z.strictObject({ header: z.string().prefault('x-shop') }),
  create: ({ header }) => ({
    onRequest: ({ headers }) => {
      const shop = /shop=(\w+)/.exec(headers.get('cookie') ?? '')?.[1];
      headers.delete('cookie');
      if (shop !== undefined) headers.set(header, shop);
    },
  }),
});

describe('what a policy of one’s own writes into a request', () => {
  async function start(policies: readonly unknown[], control: Record<string, string> = FRESH) {
    const target = await startTarget(({ headers }, response) => {
      for (const [name, value] of Object.entries(control)) response.setHeader(name, value);
      response.end(`for ${headers['x-shop'] ?? headers['x-version'] ?? 'nobody'}`);
    });
    const gateway = await createGateway({
      config: {
        listeners: [{ port: 0 }],
        accessLog: false,
        customPolicies: { 'test/tenant': tenant },
        upstreams: { service: { targets: [target.url], retries: { max: 0 } } },
        routes: [{ id: 'all', path: '/*', upstream: 'service', policies }],
      } as never,
    });
    const get = async (cookie?: string) => {
      const { body, headers } = await gateway.inject({
        url: '/a',
        headers: cookie === undefined ? {} : { cookie },
      });
      return { text: body.toString(), verdict: headers.get('cache-status') ?? '' };
    };
    return { get, target, close: () => gateway.close() };
  }

  it('before the cache is in the key', async () => {
    for (const control of [FRESH, { 'cache-control': 'public, max-age=60' }]) {
      const { get, target, close } = await start(['test/tenant', { cache: {} }], control);
      expect((await get('shop=a')).text).toBe('for a');
      expect((await get('shop=b')).text).toBe('for b');
      expect((await get()).text).toBe('for nobody');
      expect((await get('shop=a; other=1')).verdict).toContain('hit');
      expect(target.requests).toHaveLength(3);
      await close();
    }
  });

  it('before the cache, the same for all, keeps nothing apart', async () => {
    const headers = { headers: { request: { set: { 'x-version': '2', 'x-id': '{requestId}' } } } };
    const { get, target, close } = await start(['request-id', headers, { cache: {} }]);
    await get();
    expect((await get()).verdict).toContain('hit');
    expect(target.requests).toHaveLength(1);
    await close();
  });

  it('behind the cache keeps an answer from being stored that is selected by it', async () => {
    const { get, target, close } = await start([{ cache: {} }, 'test/tenant'], { ...FRESH, vary: 'x-shop' });
    expect((await get('shop=a')).text).toBe('for a');
    expect((await get('shop=b')).text).toBe('for b');
    expect((await get()).text).toBe('for nobody');
    expect(target.requests.length).toBeGreaterThan(2);
    await close();
  });
});
