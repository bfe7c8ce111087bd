import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { startTarget, type TestConfig } from '../../support/harness.ts';
import { fresh, startCached } from './cached-gateway.ts';

const secret = 'a secret of more than thirty-two bytes';

function bearer(claims: object): Record<string, string> {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${encode({ alg: 'HS256' })}.${encode({ sub: 'ann', exp: 4_000_000_000, ...claims })}`;
  return {
    authorization: `Bearer ${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`,
  };
}

/** What stands before the cache. */
function behind(...policies: NonNullable<TestConfig['policies']>): Partial<TestConfig> {
  return {
    authServices: { main: { secret, algorithms: ['HS256'] } },
    policies,
  };
}

describe('an answer for one caller', () => {
  it.each([
    ['tenant', { tenant: 'a' }, { tenant: 'b' }],
    ['client', { azp: 'bank' }, { azp: 'game' }],
    ['act', { act: { sub: 'x' } }, {}],
    ['acr', { acr: '2' }, { acr: '1' }],
    ['issuer', { iss: 'https://a.example' }, { iss: 'https://b.example' }],
  ])('is for no token of the same subject with another %s', async (_, one, other) => {
    const { get, asked } = await startCached(
      { maxAge: '60s' },
      () => fresh(60),
      behind({ jwt: { service: 'main' } }),
    );
    await get('/', bearer(one));
    expect((await get('/', bearer(other))).text).toBe('answer 1');
    expect((await get('/', bearer({ ...one, jti: '2', iat: 1 }))).text).toBe('answer 0');
    expect(asked).toHaveLength(2);
  });

  it('whom forward-auth lets pass without a name is for nobody else', async () => {
    const service = await startTarget(({ headers }, response) => {
      response.setHeader('remote-user', headers.cookie ?? '');
      response.end();
    });
    const forwardAuth = { url: service.url, requestHeaders: ['cookie'], responseHeaders: ['remote-user'] };
    const { get } = await startCached(
      { maxAge: '60s' },
      ({ url, headers }) => ({
        headers: url === '/all' ? { 'cache-control': 'public, max-age=60' } : {},
        body: `for ${headers['remote-user']}`,
      }),
      behind({ 'forward-auth': forwardAuth }),
    );
    expect((await get('/', { cookie: 'id=ann' })).text).toBe('for id=ann');
    expect((await get('/', { cookie: 'id=bob' })).text).toBe('for id=bob');
    expect((await get('/all', { cookie: 'id=ann' })).text).toBe('for id=ann');
    expect((await get('/all', { cookie: 'id=bob' })).verdict).toBe('hit; ttl=60');
  });

  it('of whom forward-auth tells the service more than the name is for none of whom it tells another thing', async () => {
    const service = await startTarget(({ headers }, response) => {
      response.setHeader('remote-user', 'ann');
      response.setHeader('x-tenant', headers.cookie ?? '');
      response.end();
    });
    const { get } = await startCached(
      { maxAge: '60s' },
      ({ headers }) => ({ body: `for ${headers['x-tenant']}` }),
      behind({
        'forward-auth': {
          url: service.url,
          requestHeaders: ['cookie'],
          responseHeaders: ['x-tenant'],
          identity: { subject: 'remote-user' },
        },
      }),
    );
    expect((await get('/', { cookie: 't=a' })).text).toBe('for t=a');
    expect((await get('/', { cookie: 't=b' })).text).toBe('for t=b');
    expect((await get('/', { cookie: 't=a' })).verdict).toBe('hit; ttl=60');
  });

  it.each(['x-original-uri', 'x-host', 'x-http-method-override', 'x-middleware-skip'])(
    'that asks for another thing by %s is neither stored nor answered from the store',
    async (name) => {
      const { get } = await startCached(
        {},
        ({ headers }) => ({ ...fresh(60), body: String(headers[name]) }),
        {
          ...behind(),
          allowOverrides: [name],
        },
      );
      expect((await get('/', { [name]: 'evil' })).text).toBe('evil');
      expect((await get('/')).text).toBe('undefined');
      expect((await get('/', { [name]: 'evil' })).verdict).toBe('fwd=bypass');
    },
  );
});
