import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { GatewayError } from '../../src/core/errors.ts';
import type { Identification, Identifier } from '../../src/core/identity/identifier.ts';
import { defineIdentifyingPolicy } from '../../src/core/identity/identify.ts';
import type { Identity } from '../../src/core/identity/identity.ts';
import type { Policy } from '../../src/core/policy.ts';
import { anyOf } from '../../src/policies/any.ts';
import { hashPassword } from '../../src/policies/basic/password-hash.ts';
import { builtInPolicies } from '../../src/policies/index.ts';
import { problemsOf, stubExchange, stubServices } from '../core/stub-exchange.ts';
import { startGatewayTo, startTarget } from '../support/harness.ts';
import { SECRET, signRequest } from './sign-request.ts';

const users = {
  ada: {
    password: await hashPassword('pass', { logN: 10, blockSize: 1, parallelism: 1 }),
    roles: ['editor'],
  },
};
const authServices = { main: { secret: 'an HMAC secret of 32 characters!', audience: 'any' } };

function token(claims: object = {}, secret = authServices.main.secret): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = { sub: 'bob', exp: Math.floor(Date.now() / 1000) + 60, ...claims };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(body)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

const bearer = (...given: Parameters<typeof token>) => `Bearer ${token(...given)}`;
const basic = (credentials: string) => `Basic ${Buffer.from(credentials).toString('base64')}`;
const URL_ASKED = 'http://api.example.com/orders';

async function setUp(any: readonly unknown[], more: readonly unknown[] = []) {
  const target = await startTarget();
  const config = { authServices, policies: [{ any }, ...more] };
  const { gateway } = await startGatewayTo(target, config as object);
  const ask = (headers: Record<string, string> = {}) => gateway.inject({ url: URL_ASKED, headers });
  return { target, ask };
}

const BASIC = { basic: { users } };
const SIGNATURE = { signature: { keys: { partner: { secret: SECRET } } } };
const ways = () => ['jwt', BASIC, SIGNATURE];

describe('any', () => {
  test('takes each of the kinds, and asks for all of them', async () => {
    const { target, ask } = await setUp(ways());
    expect((await ask({ authorization: bearer() })).status).toBe(200);
    expect((await ask({ authorization: basic('ada:pass') })).status).toBe(200);
    expect((await ask(signRequest({ url: URL_ASKED }))).status).toBe(200);
    const asked = await ask();
    expect(asked.status).toBe(401);
    expect(asked.headers.get('www-authenticate')).toBe(
      'Bearer realm="api", Basic realm="api", charset="UTF-8", Signature realm="api"',
    );
    expect(target.requests).toHaveLength(3);
  });

  test('never lets a good credential save a bad one, whichever comes first', async () => {
    const { target, ask } = await setUp([BASIC, SIGNATURE]);
    const signed = signRequest({ url: URL_ASKED });
    const wrong = signRequest({ url: URL_ASKED, secret: 'another secret of 32 characters!!' });
    expect((await ask({ ...signed, authorization: basic('ada:wrong') })).status).toBe(401);
    expect((await ask(wrong)).status).toBe(401);
    expect(target.requests).toHaveLength(0);
    const first = await ask({ ...wrong, authorization: basic('ada:pass') });
    expect(first.status).toBe(200);
  });

  test('lets the first in the list decide, and forwards nothing that nobody verified', async () => {
    const forged = bearer({ sub: 'root', roles: ['admin'] }, 'the secret of somebody else, 32+ chars');
    const { target, ask } = await setUp([SIGNATURE, 'jwt'], [{ authorize: { claims: { sub: 'partner' } } }]);
    const both = { ...signRequest({ url: URL_ASKED }), authorization: forged };
    expect((await ask(both)).status).toBe(200);
    expect(target.requests[0]?.headers.authorization).toBeUndefined();
    expect(target.requests[0]?.headers.signature).toBeUndefined();
  });

  test('forwards the bearer token that decided, without the other credentials', async () => {
    const { target, ask } = await setUp(['jwt', SIGNATURE, 'api-key']);
    const authorization = bearer();
    const headers = {
      ...signRequest({ url: URL_ASKED }),
      authorization,
      'x-api-key': 'sp_live_x',
      X_Api_Key: 'y',
    };
    expect((await ask(headers)).status).toBe(200);
    const received = target.requests[0]?.headers ?? {};
    expect(received.authorization).toBe(authorization);
    for (const name of ['x-api-key', 'x_api_key', 'signature', 'signature-input'])
      expect(received[name]).toBeUndefined();
  });

  test('is optional where all of its parts are', async () => {
    const { target, ask } = await setUp([
      { basic: { users, optional: true } },
      { 'api-key': { optional: true } },
    ]);
    expect((await ask()).status).toBe(200);
    expect((await ask({ authorization: basic('ada:wrong') })).status).toBe(401);
    expect(target.requests).toHaveLength(1);
  });
});

const somebody = (subject: string): Identity => ({
  subject,
  roles: [],
  permissions: [],
  method: 'stub',
  claims: {},
});

/** A way in that says what it is told to, and notes what happens to it. */
function way(name: string, outcome: () => Identification | Promise<Identification>, isOptional = false) {
  const events: string[] = [];
  const identifier: Identifier = {
    challenge: name,
    isOptional,
    identify() {
      events.push('asked');
      return outcome();
    },
    dropCredential: () => void events.push('dropped'),
    close: () => void events.push('closed'),
  };
  const policy = defineIdentifyingPolicy({
    name,
    summary: '',
    options: z.strictObject({ optional: z.boolean().prefault(false) }),
    createIdentifier: () => identifier,
  });
  return { policy: policy as Policy, events };
}

async function anyFrom(...parts: ReturnType<typeof way>[]) {
  const policy = anyOf(parts.map((part) => part.policy));
  const options = policy.options.parse(parts.map((part) => part.policy.name));
  const { services } = stubServices();
  const exchange = stubExchange();
  const instance = await policy.create(options, services);
  return { instance, exchange, run: () => instance.onRequest?.(exchange) };
}

describe('the parts of any', () => {
  test('are asked in order until one has found something, whether at once or later', async () => {
    for (const later of [false, true]) {
      const say = (outcome: Identification) => () => (later ? Promise.resolve(outcome) : outcome);
      const parts = [
        way('a', say(undefined)),
        way('b', say(somebody('b'))),
        way('c', say(somebody('c'))),
      ] as const;
      const { exchange, run } = await anyFrom(...parts);
      expect(await run()).toBeUndefined();
      expect(exchange.identity?.subject).toBe('b');
      expect(parts.map(({ events }) => events)).toEqual([['asked', 'dropped'], ['asked'], ['dropped']]);
    }
  });

  test.each([
    ['fails', () => new GatewayError('GW_CREDENTIALS_INVALID')],
    ['cannot say', () => new GatewayError('GW_AUTH_UNAVAILABLE')],
    ['answers', () => ({ status: 302 })],
  ])('are not asked behind one that %s', async (_, outcome) => {
    for (const given of [outcome, async () => outcome()]) {
      const parts = [way('a', given), way('b', () => somebody('b'))] as const;
      const { exchange, run } = await anyFrom(...parts);
      expect(await run()).toMatchObject({ status: outcome().status });
      expect(exchange.identity).toBeUndefined();
      expect(parts[1].events).not.toContain('asked');
    }
  });

  test('deny with what they throw', async () => {
    const broken = way('a', () => {
      throw new Error('broken');
    });
    const { run } = await anyFrom(
      broken,
      way('b', () => somebody('b')),
    );
    expect(run).toThrow('broken');
    const rejecting = way('a', () => Promise.reject(new Error('broken')));
    const other = await anyFrom(
      rejecting,
      way('b', () => somebody('b')),
    );
    await expect(other.run()).rejects.toThrow('broken');
  });

  test('are closed with it, all of them', async () => {
    const parts = [way('a', () => undefined), way('b', () => undefined)] as const;
    const { instance } = await anyFrom(...parts);
    await instance.close?.();
    expect(parts.map(({ events }) => events)).toEqual([['closed'], ['closed']]);
  });

  test('are closed when one of them cannot be made', async () => {
    const good = way('a', () => undefined);
    const bad = {
      ...way('b', () => undefined).policy,
      createIdentifier: () => Promise.reject(new Error('no key')),
    };
    const policy = anyOf([good.policy, bad]);
    await expect(policy.create(policy.options.parse(['a', 'b']), stubServices().services)).rejects.toThrow(
      'no key',
    );
    expect(good.events).toEqual(['closed']);
  });
});

const any = builtInPolicies.find(({ name }) => name === 'any') as Policy;

test.each([
  [[], 'is not a choice'],
  [['jwt'], 'is not a choice'],
  [{ jwt: {} }, 'array'],
  [['jwt', 'cors'], "there is no policy 'cors'"],
  [['jwt', { any: ['api-key', 'jwt'] }], "there is no policy 'any'"],
  [['jwt', { 'api-key': { hedaer: 'x' } }], 'hedaer'],
  [['jwt', { 'api-key': { id: 'x' } }], 'has an id'],
  [['jwt', { 'api-key': { dangerouslyObserve: true } }], 'observes, within any'],
  [['jwt', { 'api-key': { observe: true } }], 'would accept'],
  [[{ jwt: { optional: true } }, 'api-key'], 'is not optional, though others'],
  [['jwt', { 'api-key': { optional: true } }], 'is not optional, though others'],
  [[{ 'forward-auth': { url: 'http://a', requestHeaders: [] } }, 'jwt'], 'put forward-auth last'],
])('%j is refused', (options, problem) => {
  expect(JSON.stringify(any.options.safeParse(options).error?.issues ?? problemsOf(any, options))).toContain(
    problem,
  );
});
