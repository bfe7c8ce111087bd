import { afterEach, describe, expect, it } from 'vitest';
import {
  type APIGateway,
  type APIRequest,
  type AuthService,
  type AuthToken,
  defineAuthService,
  GatewayError,
  RateLimiter,
  toApiRequest,
} from '../../src/index.ts';
import { createSecretSigner, goodClaims, signToken } from '../auth/test-tokens.ts';
import { stubExchange } from '../core/stub-exchange.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { startGatewayTo, startTarget } from '../support/harness.ts';
import type * as Design from './design.ts';

const SECRET = 'a secret of the gateway and its issuer, 42';
const signer = createSecretSigner(SECRET);
const token = (claims: Record<string, unknown> = {}) =>
  signToken(
    signer,
    goodClaims({ aud: 'orders', sub: 'ada', roles: ['customer'], scope: 'orders:read', ...claims }),
  );

const request = (changes: Partial<Design.APIRequest> = {}): Design.APIRequest => ({
  method: 'GET',
  path: '/orders/7',
  headers: { authorization: `Bearer ${token()}` },
  queryParams: {},
  body: undefined,
  ...changes,
});

async function start() {
  const target = await startTarget();
  const { gateway, rewrite } = await startGatewayTo(target, {
    authServices: { main: { secret: SECRET, audience: 'orders' } },
    routes: [
      {
        id: 'orders',
        path: '/orders/:id',
        upstream: 'service',
        policies: ['jwt', { authorize: { roles: ['customer'] } }],
      },
    ],
  } as never);
  return { gateway, target, rewrite };
}

const rejection = (asking: Promise<unknown>): Promise<unknown> =>
  asking.then(
    () => 'not rejected',
    (error: unknown) => error,
  );

describe('a request in plain values', () => {
  it('is handled as one from a socket is', async () => {
    const { gateway, target } = await start();
    const whole: Design.APIGateway = gateway;
    const api: APIGateway = gateway;
    expect(whole).toBe(api);
    const { status, body } = await gateway.handleRequest(request({ queryParams: { page: '2', q: 'a b&c' } }));
    expect(status).toBe(200);
    expect(JSON.parse(body.toString())).toMatchObject({ method: 'GET', url: '/orders/7?page=2&q=a+b%26c' });
    expect(target.requests[0]?.headers['x-auth-subject']).toBe('ada');
    expect((await gateway.handleRequest(request({ headers: {} }))).status).toBe(401);
  });

  it.each<[unknown, string, string | undefined]>([
    [{ a: 1 }, '{"a":1}', 'application/json'],
    [[1, 2], '[1,2]', 'application/json'],
    [7, '7', 'application/json'],
    [false, 'false', 'application/json'],
    ['text', 'text', undefined],
    [Buffer.from('bytes'), 'bytes', undefined],
    [undefined, '', undefined],
    [null, '', undefined],
  ])('has the body %j sent', async (body, text, type) => {
    const { gateway } = await start();
    const answer = await gateway.handleRequest(request({ method: 'POST', body }));
    const asked = JSON.parse(answer.body.toString()) as { body: string; headers: Record<string, string> };
    expect(asked.body).toBe(text);
    expect(asked.headers['content-type']).toBe(type);
  });

  it('is what a policy gets, and can be sent again as it is', async () => {
    const { gateway } = await start();
    const exchange = stubExchange({
      method: 'POST',
      headers: [
        ['host', 'a.example'],
        ['content-length', '2'],
        ['authorization', `Bearer ${token()}`],
      ],
    });
    exchange.path = '/orders/7';
    exchange.bodyBytes = Buffer.from('{}');
    const received: APIRequest = toApiRequest(exchange);
    const asDesigned: Design.APIRequest = received;
    const answer = await gateway.handleRequest(asDesigned);
    expect(JSON.parse(answer.body.toString())).toMatchObject({ method: 'POST', body: '{}' });
  });

  it('goes through each stage by itself', async () => {
    const { gateway, target } = await start();
    expect(await gateway.routeRequest(request())).toMatchObject({ id: 'orders', params: { id: '7' } });
    expect(await gateway.authenticate(request())).toMatchObject({ subject: 'ada', roles: ['customer'] });
    expect(await gateway.authorize(request())).toMatchObject({ subject: 'ada' });
    const other = request({ headers: { authorization: `Bearer ${token({ roles: [] })}` } });
    expect(await gateway.authenticate(other)).toMatchObject({ subject: 'ada' });
    expect(await rejection(gateway.authorize(other))).toMatchObject({ code: 'GW_FORBIDDEN' });
    expect(await rejection(gateway.authenticate(request({ headers: {} })))).toMatchObject({
      code: 'GW_CREDENTIALS_MISSING',
    });
    expect(await gateway.routeRequest(request({ path: '/none' }))).toBeUndefined();
    expect(target.requests).toHaveLength(0);
  });
});

describe('an auth service by its name', () => {
  it('verifies tokens outside of policies', async () => {
    const { gateway } = await start();
    const service: AuthService = gateway.authService('main');
    const asDesigned: Design.AuthService = service;
    const ours: AuthToken = await service.verifyToken(token());
    const theirs: Design.AuthToken = ours;
    const back: AuthToken = theirs;
    expect(back).toMatchObject({ sub: 'ada', roles: ['customer'], permissions: ['orders:read'] });
    expect(await asDesigned.getUserRoles(token())).toEqual(['customer']);
  });

  it('rejects what is not good, and gives no roles for it', async () => {
    const { gateway } = await start();
    const service = gateway.authService('main');
    const expired = token({ exp: 1 });
    for (const bad of ['nonsense', '', expired, token({ aud: 'other' })]) {
      const error = await rejection(service.verifyToken(bad));
      expect(error).toBeInstanceOf(GatewayError);
      expect(error).toMatchObject({ code: 'GW_CREDENTIALS_INVALID', status: 401 });
      expect(await service.getUserRoles(bad)).toEqual([]);
    }
    expect(await rejection(service.verifyToken(7 as never))).toBeInstanceOf(TypeError);
    expect(() => gateway.authService('none')).toThrow("there is no auth service 'none'");
    expect(() => gateway.authService('__proto__')).toThrow('there is no auth service');
  });

  it('gives what nobody can change', async () => {
    const { gateway } = await start();
    const service = gateway.authService('main');
    const first = token();
    const { roles } = await service.verifyToken(first);
    expect(() => roles.push('admin')).toThrow(TypeError);
    expect(await service.getUserRoles(first)).toEqual(['customer']);
  });

  it('says that nothing can be said where the issuer is away', async () => {
    const target = await startTarget();
    const { gateway } = await startGatewayTo(target, {
      authServices: {
        main: { jwks: `${target.url}/keys`, issuer: 'https://id.example.com', audience: 'orders' },
      },
    });
    const service = gateway.authService('main');
    const unknown = signToken(signer, goodClaims({ iss: 'https://id.example.com', aud: 'orders' }), {
      alg: 'RS256',
    });
    expect(await rejection(service.verifyToken(unknown))).toMatchObject({ code: 'GW_AUTH_UNAVAILABLE' });
    expect(await rejection(service.getUserRoles(unknown))).toMatchObject({ code: 'GW_AUTH_UNAVAILABLE' });
  });

  it('of ones own may be written as the design has it', async () => {
    class Sessions implements Design.AuthService, AuthService {
      async verifyToken(sub: string): Promise<Design.AuthToken> {
        return { sub, exp: 4_000_000_000, roles: ['customer'], permissions: [] };
      }

      async getUserRoles(sub: string): Promise<string[]> {
        return (await this.verifyToken(sub)).roles;
      }
    }
    const { verifyToken } = defineAuthService(new Sessions());
    expect(await verifyToken('ada', AbortSignal.abort())).toMatchObject({ sub: 'ada' });
  });
});

describe('a rate limiter', () => {
  const clock = new StubClock();
  afterEach(() => clock.advance(3_600_000));

  it('counts in memory by itself', async () => {
    const limiter = new RateLimiter({ limit: 2, window: '1m', clock });
    const asDesigned: Design.RateLimiter = limiter;
    expect(asDesigned).toBe(limiter);
    const other = new RateLimiter({ limit: 2, window: 60_000, clock });
    const allowed = async (from = limiter) => (await from.checkRateLimit('ada')).isAllowed;
    expect([await allowed(), await allowed(), await allowed()]).toEqual([true, true, false]);
    expect(await allowed(other)).toBe(true);
    expect((await limiter.checkRateLimit('bob')).isAllowed).toBe(true);
    clock.advance(60_000);
    expect(await allowed()).toBe(true);
  });

  it.each(['token-bucket', 'leaky-bucket', 'fixed-window', 'sliding-window'] as const)(
    'counts by %s',
    async (algorithm) => {
      const limiter = new RateLimiter({ limit: 3, window: '1h', algorithm, burst: 3, clock });
      const outcomes = [];
      for (let i = 0; i < 4; i++) outcomes.push((await limiter.checkRateLimit('ada')).isAllowed);
      expect(outcomes).toEqual([true, true, true, false]);
    },
  );

  it('takes a rule that is made already, with or without a store', async () => {
    const rule = { algorithm: 'fixed-window', limit: 1, windowMs: 60_000, burst: 1, maxDelayMs: 0 } as const;
    const limiter = new RateLimiter({ name: 'logins', rule, clock });
    expect((await limiter.checkRateLimit('ada')).isAllowed).toBe(true);
    expect((await limiter.checkRateLimit('ada')).isAllowed).toBe(false);
  });

  it('shares its counters where it shares a gateway and a name', async () => {
    const { gateway } = await start();
    const shared = { gateway, name: 'logins', limit: 1, window: '1h' } as const;
    expect((await new RateLimiter(shared).checkRateLimit('ada')).isAllowed).toBe(true);
    expect((await new RateLimiter(shared).checkRateLimit('ada')).isAllowed).toBe(false);
    expect((await new RateLimiter({ ...shared, name: 'other' }).checkRateLimit('ada')).isAllowed).toBe(true);
    expect((await new RateLimiter({ limit: 1, window: '1h' }).checkRateLimit('ada')).isAllowed).toBe(true);
  });

  it.each<[object, string]>([
    [{ limit: 0, window: '1m' }, 'limit'],
    [{ limit: 1.5, window: '1m' }, 'limit'],
    [{ limit: Number.NaN, window: '1m' }, 'limit'],
    [{ limit: 1, window: '1 minute' }, 'window'],
    [{ limit: 1, window: 0 }, 'window'],
    [{ limit: 1 }, 'window'],
    [{ limit: 1, window: '1m', burst: -1 }, 'burst'],
    [{ limit: 1, window: '1m', algorithm: 'guess' }, 'algorithm'],
  ])('is none with %j', (options, named) => {
    expect(() => new RateLimiter(options as never)).toThrow(named);
  });
});
