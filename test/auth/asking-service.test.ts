import type { RequestListener } from 'node:http';
import { describe, expect, it } from 'vitest';
import { type AuthServiceParts, createAuthService } from '../../src/auth/create-auth-service.ts';
import { authServiceSchema } from '../../src/config/schema/auth-schema.ts';
import { text } from '../../src/config/schema/scalars.ts';
import type { AuthServiceCode } from '../../src/core/identity/auth-service.ts';
import { stubServices } from '../core/stub-exchange.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { readAll, startTarget } from '../support/harness.ts';
import { until } from '../support/until.ts';

/** Whole seconds of the stub clock at its start. */
const NOW = 1_700_000_000;

function serviceOf(config: object, parts: AuthServiceParts = {}) {
  const clock = new StubClock();
  const { services, lines } = stubServices();
  const parsed = authServiceSchema(text).parse(config);
  const service = createAuthService('main', parsed, parts, { log: services.log, clock });
  return { service, clock, lines };
}

/** A service that asks a server which answers so. */
async function introspecting(handler: RequestListener | object, config: object = {}, settings: object = {}) {
  const answer: RequestListener =
    typeof handler === 'function'
      ? (handler as RequestListener)
      : (_, response) => void response.end(JSON.stringify(handler));
  const target = await startTarget(answer);
  const introspection = { url: `${target.url}/i`, clientId: 'gw', clientSecret: 's', ...settings };
  return { ...serviceOf({ introspection, ...config }), target };
}

describe('what an answer of introspection says that the token is for', () => {
  const token = { active: true, sub: 'ada', aud: 'orders' };

  it.each([
    { token_use: 'refresh_token' },
    { token_use: 'refresh' },
    { token_use: 'id' },
    { token_use: ['access'] },
    { token_use: '' },
    { typ: 'Refresh' },
    { typ: 'Offline' },
    { typ: 'ID' },
    { typ: 7 },
    { token_use: 'access_token', typ: 'Refresh' },
    { token_type: 'refresh_token' },
    { token_type: 'id_token' },
    { token_type: 'DPoP' },
  ])('%j: is not an access token', async (more) => {
    const { service } = await introspecting({ ...token, ...more }, { audience: 'orders' });
    expect(await service.verifyToken('token')).toEqual({ refused: 'type' });
  });

  it.each([
    { token_use: 'access_token' },
    { token_use: 'access' },
    { typ: 'Bearer' },
    { typ: 'at+jwt', token_type: 'Bearer' },
    { token_type: 'access_token' },
    { token_type: 'urn:example:bearer' },
  ])('%j: is one', async (more) => {
    const { service } = await introspecting({ ...token, ...more }, { audience: 'orders' });
    expect(await service.verifyToken('token')).toMatchObject({ sub: 'ada' });
  });

  it.each([{}, { aud: undefined }, { aud: [] }, { aud: null }, { aud: '' }, { aud: { orders: true } }])(
    'not for this API: %j',
    async (more) => {
      const answer = { active: true, sub: 'ada', ...more };
      const { service } = await introspecting(answer, { audience: 'orders' });
      expect(await service.verifyToken('token')).toEqual({ refused: 'audience' });
    },
  );

  it('may be said by the configuration, where the issuer names no audience', async () => {
    const settings = { missingAudience: 'allow' };
    const unnamed = await introspecting({ active: true, sub: 'ada' }, { audience: 'orders' }, settings);
    expect(await unnamed.service.verifyToken('token')).toMatchObject({ sub: 'ada' });
    const other = await introspecting({ ...token, aud: 'billing' }, { audience: 'orders' }, settings);
    expect(await other.service.verifyToken('token')).toEqual({ refused: 'audience' });
  });
});

describe('an answer of introspection', () => {
  it.each([
    [{ active: true, sub: 'ada' }, { sub: 'ada' }],
    [{ active: true, client_id: 'app' }, { sub: 'app' }],
    [{ active: true, sub: 'ada', scope: 'a b' }, { permissions: ['a', 'b'] }],
    [{ active: true, sub: 'ada', exp: NOW + 5 }, { exp: NOW + 5 }],
    [{ active: true, sub: 'ada' }, { exp: NOW + 30 }],
    [{ active: false, sub: 'ada' }, { refused: 'inactive' }],
    [{ active: 'true', sub: 'ada' }, { refused: 'inactive' }],
    [{ active: 1, sub: 'ada' }, { refused: 'inactive' }],
    [{ sub: 'ada' }, { refused: 'inactive' }],
    [{ active: true }, { refused: 'subject' }],
    [{ active: true, sub: 'ada', exp: NOW - 30 }, { refused: 'expired' }],
    [{ active: true, sub: 'ada', exp: 'soon' }, { refused: 'malformed-time' }],
    [{ active: true, sub: 'ada', nbf: NOW + 60 }, { refused: 'not-yet' }],
    [{ active: true, sub: 'ada', iss: 'https://evil' }, { refused: 'issuer' }],
    [{ active: true, sub: 'ada', aud: 'billing' }, { refused: 'audience' }],
    [{ active: true, sub: 'ada', iss: 'https://a', aud: ['orders'] }, { sub: 'ada' }],
  ])('%j: %j', async (answer, outcome) => {
    const audience = 'aud' in answer ? { audience: 'orders' } : {};
    const { service } = await introspecting(answer, { issuer: 'https://a', ...audience });
    expect(await service.verifyToken('token')).toMatchObject(outcome);
  });

  it.each([
    ['an error', (_, response) => void response.writeHead(500).end()],
    ['a redirect', (_, response) => void response.writeHead(307, { location: '/other' }).end()],
    ['no JSON', (_, response) => void response.end('active')],
    ['a list', (_, response) => void response.end('[{"active":true}]')],
    ['nothing', (_, response) => void response.destroy()],
    ['too much', (_, response) => void response.end(`{"active":true,"a":"${'x'.repeat(150_000)}"}`)],
  ] satisfies [string, RequestListener][])('that is %s says nothing about the token', async (_, handler) => {
    const { service } = await introspecting(handler);
    expect(await service.verifyToken('token')).toEqual({ refused: 'unavailable', isUnavailable: true });
  });

  it('is asked for by a form, with client id and secret encoded', async () => {
    let body = '';
    const { service, target } = await introspecting(
      async (request, response) => {
        body = String(await readAll(request));
        response.end('{"active":true,"sub":"ada"}');
      },
      {},
      { clientId: 'a:b', clientSecret: 'c d' },
    );
    await service.verifyToken('t+/=');
    const { method, headers } = await target.request(0);
    expect([method, headers['content-type']]).toEqual(['POST', 'application/x-www-form-urlencoded']);
    expect(Buffer.from(String(headers.authorization).slice(6), 'base64').toString()).toBe('a%3Ab:c+d');
    expect(body).toBe('token=t%2B%2F%3D&token_type_hint=access_token');
  });
});

describe('what is known of a token', () => {
  it('holds for half a minute, at once and without a question', async () => {
    const { service, clock, target } = await introspecting({ active: true, sub: 'ada' });
    const first = await service.verifyToken('token');
    clock.advance(29_999);
    expect(service.verifyToken('token')).toBe(first);
    clock.advance(1);
    expect(service.findVerified('token')).toBeUndefined();
    await service.verifyToken('token');
    expect(target.requests).toHaveLength(2);
  });

  it('never holds longer than the token', async () => {
    const { service, clock } = await introspecting({ active: true, sub: 'ada', exp: NOW + 5 });
    await service.verifyToken('token');
    clock.advance(4999);
    expect(service.findVerified('token')).toBeDefined();
    clock.advance(1);
    expect(service.findVerified('token')).toBeUndefined();
  });

  it('holds for two seconds where it is bad', async () => {
    const { service, clock, target } = await introspecting({ active: false });
    await service.verifyToken('token');
    expect(service.verifyToken('token')).toEqual({ refused: 'inactive' });
    clock.advance(2000);
    await service.verifyToken('token');
    expect(target.requests).toHaveLength(2);
  });

  it('is not pushed out by invented tokens', async () => {
    const { service } = serviceOf(
      {},
      code({ verifyToken: (token) => (token === 'good' ? { sub: 'a' } : null) }),
    );
    await service.verifyToken('good');
    for (let i = 0; i < 1000; i++) await service.verifyToken(String(i).padStart(8000, '0'));
    expect(service.findVerified('good')).toBeDefined();
  });

  it('is asked for once by all who wait for it', async () => {
    const { service, target } = await introspecting({ active: true, sub: 'ada' });
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => service.verifyToken('token')));
    expect(new Set(outcomes).size).toBe(1);
    expect(target.requests).toHaveLength(1);
  });

  it('is not asked for by more than so many at a time', async () => {
    const answers: (() => void)[] = [];
    const { service } = await introspecting(
      (_, response) => void answers.push(() => response.end('{"active":true,"sub":"ada"}')),
      {},
      { maxConcurrent: 2 },
    );
    const waiting = [service.verifyToken('a'), service.verifyToken('b')];
    expect(service.verifyToken('c')).toEqual({ refused: 'unavailable', isUnavailable: true });
    await until(() => answers.length === 2);
    for (const answer of answers) answer();
    await Promise.all(waiting);
    expect(service.verifyToken('c')).toBeInstanceOf(Promise);
  });

  it('is not asked for where the token is longer than any', async () => {
    const { service, target } = await introspecting({ active: true, sub: 'ada' });
    expect(service.verifyToken('x'.repeat(16 * 1024 + 1))).toEqual({ refused: 'too-long' });
    expect(target.requests).toHaveLength(0);
  });
});

const code = (service: AuthServiceCode): AuthServiceParts => ({ code: service });
const unavailable = { refused: 'unavailable', isUnavailable: true };

describe('a service in code', () => {
  it.each([
    [
      { sub: 'ada', roles: ['a'], exp: NOW + 9 },
      { sub: 'ada', roles: ['a'], permissions: [], exp: NOW + 9 },
    ],
    [
      { sub: 'ada', plan: 'gold' },
      { plan: 'gold', exp: NOW + 30 },
    ],
    [undefined, { refused: 'inactive' }],
    [null, { refused: 'inactive' }],
    [{ sub: '' }, unavailable],
    [{ sub: 7 }, unavailable],
    [{ sub: 'ada', roles: 'admin' }, unavailable],
    [{ sub: 'ada', permissions: [1] }, unavailable],
    [{ sub: 'ada', exp: 'never' }, unavailable],
    [true, unavailable],
  ])('that gives %j: %j', async (given, outcome) => {
    const { service } = serviceOf({}, code({ verifyToken: () => given as { sub: string } }));
    expect(await service.verifyToken('token')).toMatchObject(outcome);
  });

  it('that throws or rejects lets nobody in', async () => {
    const fail = (): never => {
      throw new Error('broken');
    };
    for (const verifyToken of [fail, async () => fail()]) {
      const { service, lines } = serviceOf({}, code({ verifyToken }));
      expect(await service.verifyToken('token')).toEqual(unavailable);
      expect(lines).toMatchObject([{ level: 'warn', message: 'the auth service cannot be reached' }]);
    }
  });

  it('that hangs lets nobody in, and hears that its time is over', async () => {
    let heard: AbortSignal | undefined;
    const verifyToken = (_: string, signal: AbortSignal) => {
      heard = signal;
      return new Promise<undefined>(() => {});
    };
    const { service, clock } = serviceOf({}, code({ verifyToken }));
    const asking = service.verifyToken('token');
    clock.advance(1499);
    expect(heard?.aborted).toBe(false);
    clock.advance(1);
    expect(await asking).toEqual(unavailable);
    expect(heard?.aborted).toBe(true);
  });

  it('is told when it is closed', async () => {
    const { service } = serviceOf({}, code({ verifyToken: () => new Promise(() => {}) }));
    const asking = service.verifyToken('token');
    service.close();
    expect(await asking).toEqual(unavailable);
  });
});
