import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import type { TokenRejection, TokenVerifier, VerifiedToken } from '../../src/core/identity/auth-service.ts';
import type { PolicyInstance } from '../../src/core/policy.ts';
import { jwt } from '../../src/policies/index.ts';
import { createSecretSigner, goodClaims, signToken } from '../auth/test-tokens.ts';
import { problemsOf, stubExchange, stubServices } from '../core/stub-exchange.ts';
import { startGateway, startTarget } from '../support/harness.ts';

const SECRET = 'a secret of the gateway and its issuer, 42';
const VERIFIED: VerifiedToken = {
  sub: 'ada',
  exp: 4e9,
  roles: ['admin'],
  permissions: ['orders:read'],
  claims: { sub: 'ada', tenant: 't' },
  plan: 'gold',
};

type Outcome = VerifiedToken | TokenRejection;

/** Services that know nothing and say of every token what `outcome` says. */
function stubService(name: string, outcome: Outcome | Promise<Outcome>, issuer?: string) {
  const asked: string[] = [];
  const service: TokenVerifier = {
    name,
    verifies: 'by-key',
    issuer,
    findVerified: () => undefined,
    verifyToken(token) {
      asked.push(token);
      return outcome;
    },
    getUserRoles: async () => [],
  };
  return { service, asked };
}

function instanceOf(options: object, ...services: TokenVerifier[]): PolicyInstance {
  const authService = (name: string) => services.find((service) => service.name === name) as TokenVerifier;
  const all = { ...stubServices().services, authService };
  return jwt.create(jwt.options.parse(options), all) as PolicyInstance;
}

async function identify(options: object, headers: readonly (readonly [string, string])[]) {
  const { service, asked } = stubService('main', VERIFIED);
  const exchange = stubExchange({ headers });
  const refused = await instanceOf(options, service).onRequest?.(exchange);
  return { exchange, refused, asked, left: [...exchange.headers] };
}

const bearer = ['Authorization', 'Bearer a.b.c'] as const;

describe('a token that is good', () => {
  it('says who is calling', async () => {
    const { exchange, refused } = await identify({}, [bearer]);
    expect(refused).toBeUndefined();
    expect(exchange.identity).toEqual({
      subject: 'ada',
      roles: ['admin'],
      permissions: ['orders:read'],
      method: 'jwt',
      claims: { sub: 'ada', tenant: 't' },
      plan: 'gold',
      expiresAt: 4e9,
      keyId: undefined,
    });
  });

  it('goes to the upstream, or does not where that is said', async () => {
    expect((await identify({}, [bearer])).left).toEqual([[...bearer]]);
    expect((await identify({ forward: 'drop' }, [bearer, ['a', 'b']])).left).toEqual([['a', 'b']]);
  });

  it('is taken from a header of its own, and leaves Authorization alone', async () => {
    const lines = [
      ['X-Token', 'a.b.c'],
      ['Authorization', 'Basic YTpi'],
    ] as const;
    const { asked, left } = await identify({ from: { header: 'x-token' }, forward: 'drop' }, lines);
    expect(asked).toEqual(['a.b.c']);
    expect(left).toEqual([['Authorization', 'Basic YTpi']]);
  });

  it.each([
    ['session=a.b.c', []],
    ['x=1; session=a.b.c; y=2', [['cookie', 'x=1; y=2']]],
    ['x=1;session=a.b.c;Session=2', [['cookie', 'x=1; Session=2']]],
  ])('is taken out of the cookies: %s', async (cookie, left) => {
    const seen = await identify({ from: { cookie: 'session' } }, [['Cookie', cookie]]);
    expect(seen.asked).toEqual(['a.b.c']);
    expect(seen.left).toEqual(left);
  });

  it('is verified by the service that its issuer names, and no other is asked', async () => {
    const token = signToken(createSecretSigner(SECRET), { iss: 'https://b' });
    const a = stubService('a', VERIFIED, 'https://a');
    const b = stubService('b', VERIFIED, 'https://b');
    const exchange = stubExchange({ headers: [['authorization', `Bearer ${token}`]] });
    await instanceOf({ services: ['a', 'b'] }, a.service, b.service).onRequest?.(exchange);
    expect([a.asked, b.asked]).toEqual([[], [token]]);
  });

  it('is verified without a promise where its service can', () => {
    const { service } = stubService('main', VERIFIED);
    expect(instanceOf({}, service).onRequest?.(stubExchange({ headers: [bearer] }))).toBeUndefined();
  });
});

describe('a request without a token', () => {
  it('passes as nobody where that is said', async () => {
    const { exchange, refused, asked } = await identify({ optional: true }, []);
    expect([refused, exchange.identity, asked]).toEqual([undefined, undefined, []]);
  });

  it('is refused with the realm', async () => {
    const { refused } = await identify({ realm: 'orders' }, []);
    expect(refused).toMatchObject({
      code: 'GW_CREDENTIALS_MISSING',
      headers: { 'www-authenticate': 'Bearer realm="orders"' },
    });
  });
});

describe('a token that is not taken', () => {
  it.each([
    [{ refused: 'expired' }, 'GW_CREDENTIALS_INVALID', 'expired'],
    [{ refused: 'unavailable', isUnavailable: true }, 'GW_AUTH_UNAVAILABLE', 'unavailable'],
  ])('%j answers %s, optional or not', async (outcome, code, reason) => {
    for (const optional of [false, true]) {
      for (const given of [outcome, Promise.resolve(outcome)]) {
        const { service } = stubService('main', given);
        const exchange = stubExchange({ headers: [bearer] });
        const refused = await instanceOf({ optional }, service).onRequest?.(exchange);
        expect(refused).toBeInstanceOf(GatewayError);
        expect(refused).toMatchObject({ code, reason });
        expect(exchange.identity).toBeUndefined();
      }
    }
  });

  it('is told apart by nothing that the client sees', async () => {
    const answers = await Promise.all(
      ['expired', 'signature', 'audience'].map(async (refused) => {
        const { service } = stubService('main', { refused });
        const error = (await instanceOf({}, service).onRequest?.(
          stubExchange({ headers: [bearer] }),
        )) as GatewayError;
        return JSON.stringify([error.code, error.detail, error.headers]);
      }),
    );
    expect(new Set(answers).size).toBe(1);
  });
});

it.each([
  [{ from: {} }, 'from: names no place — set header, cookie or both'],
  [{ from: { header: 'cookie' } }, 'from.header: is where cookies are — name the cookie'],
  [{ from: { header: 'x-auth-token' } }, 'from.header: says who the caller is'],
  [{ from: { header: 'a b' } }, 'from.header: is not a header name'],
  [{ from: { cookie: 'a;b' } }, 'from.cookie: is not the name of a cookie'],
  [{ realm: 'a"b' }, 'realm: is not a realm'],
  [{ forward: 'keep' }, 'forward'],
  [{ service: 'a', services: ['a', 'b'] }, 'services: stands beside service'],
])('options are refused: %j', (options, problem) => {
  expect(problemsOf(jwt, options).join()).toContain(problem);
});

it.each([
  ['there is none', undefined],
  ['it asks', { ...stubService('main', VERIFIED).service, verifies: 'by-asking' as const }],
])('is not made of a service where %s', (_, service) => {
  expect(() => instanceOf({}, ...(service === undefined ? [] : [service]))).toThrow(TypeError);
});

describe('on real sockets', () => {
  it('stands beside other ways in, whose credentials it leaves to them', async () => {
    const target = await startTarget();
    const { url } = await startGateway(
      {
        authServices: { main: { secret: SECRET }, own: { code: './auth.ts' } },
        upstreams: { service: { targets: [target.url] } },
        routes: [
          {
            id: 'all',
            path: '/*',
            upstream: 'service',
            policies: [{ any: ['jwt', { introspect: { service: 'own', from: { header: 'x-session' } } }] }],
          },
        ],
      },
      {
        files: {
          'auth.ts':
            "export default { verifyToken: (token: string) => (token === 'good' ? { sub: 'eve' } : undefined) };\n",
        },
      },
    );
    const ask = async (headers: Record<string, string>) => {
      const response = await fetch(url, { headers });
      return { status: response.status, seen: (await response.json()) as { headers?: object } };
    };
    const authorization = `Bearer ${signToken(createSecretSigner(SECRET), goodClaims())}`;
    expect(await ask({ authorization })).toMatchObject({ status: 200, seen: { headers: { authorization } } });
    expect((await ask({ 'x-session': 'good' })).status).toBe(200);
    expect((await ask({ 'x-session': 'bad' })).status).toBe(401);
    expect((await ask({ 'x-session': 'good', authorization: 'Bearer bad' })).status).toBe(401);
    const both = await ask({ authorization, 'x-session': 'bad' });
    expect(both.status).toBe(200);
    expect(both.seen.headers).not.toHaveProperty('x-session');
    expect((await ask({})).status).toBe(401);
  });

  it('lets preflights pass to cors', async () => {
    const target = await startTarget();
    const { url } = await startGateway({
      authServices: { main: { secret: SECRET } },
      upstreams: { service: { targets: [target.url] } },
      policies: ['jwt', { cors: { origins: ['https://app.example.com'] } }],
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    const origin = 'https://app.example.com';
    const headers = { origin, 'access-control-request-method': 'GET' };
    expect((await fetch(url, { method: 'OPTIONS', headers })).status).toBe(204);
    const refused = await fetch(url, { headers: { origin } });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBe(origin);
    expect(target.requests).toHaveLength(0);
  });

  it('keeps what it knows through a reload that changes nothing about it, and not one that does', async () => {
    const target = await startTarget();
    const keys = await startTarget((_, response) => response.end('{"keys":[]}'));
    const service = { jwks: keys.url, issuer: 'https://a', audience: 'a' };
    const config = (leeway: string) => ({
      authServices: { main: { ...service, leeway } },
      upstreams: { service: { targets: [target.url] } },
      policies: ['jwt' as const],
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    const { gateway, rewrite } = await startGateway(config('30s'));
    await keys.request(0);
    await rewrite({ ...config('30s'), accessLog: false });
    expect(await gateway.reload()).toMatchObject({ ok: true });
    await rewrite(config('10s'));
    expect(await gateway.reload()).toMatchObject({ ok: true });
    await keys.request(1);
    expect(keys.requests).toHaveLength(2);
  });
});
