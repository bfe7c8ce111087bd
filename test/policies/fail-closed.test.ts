import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { Exchange } from '../../src/core/exchange.ts';
import type { Policy } from '../../src/core/policy.ts';
import type { Services } from '../../src/core/services.ts';
import { builtInPolicies } from '../../src/policies/index.ts';
import { entry, stubExchange, stubPipeline, stubServices } from '../core/stub-exchange.ts';
import { sayings } from '../gateway/fixtures/scripted-way-in.ts';
import { startGatewayTo, startTarget } from '../support/harness.ts';
import { SECRET, signRequest } from './sign-request.ts';

const HASH = `$scrypt$ln=10,r=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
const URL_ASKED = 'http://api.example.com/';

/** How each policy is used, with a credential that it takes a look at. */
const USES: Readonly<Record<string, { options: unknown; headers?: Record<string, string> }>> = {
  jwt: { options: {}, headers: { authorization: 'Bearer a.b.c' } },
  introspect: { options: {}, headers: { authorization: 'Bearer abc' } },
  'api-key': { options: {}, headers: { 'x-api-key': 'sp_live_a' } },
  basic: {
    options: { users: { ada: { password: HASH } } },
    headers: { authorization: `Basic ${btoa('ada:x')}` },
  },
  signature: { options: { keys: { partner: { secret: SECRET } } }, headers: signRequest({ url: URL_ASKED }) },
  'client-certificate': { options: {} },
  'forward-auth': { options: { url: 'http://127.0.0.1:1', requestHeaders: [] } },
  any: { options: ['jwt', 'api-key'], headers: { 'x-api-key': 'sp_live_a' } },
  authorize: { options: { when: 'identity.subject == "a"' } },
};

const deciding = builtInPolicies.filter(({ access }) => access !== 'none');
const identifying = deciding.filter(({ access }) => access === 'identifies');

/** What may go wrong in what a policy depends on. */
const BREAKAGES: Readonly<Record<string, () => unknown>> = {
  throws: () => {
    throw new Error('broken');
  },
  rejects: () => Promise.reject(new Error('broken')),
  hangs: () => new Promise(() => {}),
  'gives null': () => null,
  'gives nothing': () => undefined,
  'gives true': () => true,
  'gives an empty object': () => ({}),
  'gives text': () => 'admin',
  'gives an error': () => new Error('broken'),
  'gives somebody without a name': () => ({ subject: '', sub: '', roles: [], permissions: [] }),
};

/** A clock whose time stands still, and whose tasks run when they are told to. */
function handClock() {
  const tasks: (() => void)[] = [];
  const clock: Clock = {
    now: () => Date.now(),
    monotonic: () => 0,
    every: () => () => {},
    after(_delayMs, task) {
      tasks.push(task);
      return () => {};
    },
  };
  const elapse = (): void => {
    for (const task of tasks.splice(0)) task();
  };
  return { clock, elapse };
}

/** An exchange with a target of which nothing is heard; none where it could not be begun. */
function neverAnswered(outcome: unknown) {
  if (!(outcome instanceof Promise)) return undefined;
  outcome.catch(() => {});
  return { cancel() {} };
}

/** Services of which each gives what `breakage` gives. */
function brokenServices(breakage: () => unknown) {
  const { clock, elapse } = handClock();
  const broken = breakage as () => never;
  const services: Services = {
    ...stubServices().services,
    clock,
    keep: () => ({ value: { run: broken, note: broken } as never, release() {} }),
    bufferBody: broken,
    upstream: () => ({
      send: () => neverAnswered(breakage()),
      ask: () => Promise.reject(new TypeError('asked')),
    }),
    apiKeys: { open: async () => ({ verify: broken }) },
  };
  const authService = (verifies: 'by-key' | 'by-asking') => () => ({
    name: 'main',
    verifies,
    findVerified: () => undefined,
    verifyToken: broken,
    getUserRoles: broken,
  });
  return { services, authService, elapse };
}

function exchangeFor(policy: Policy): Exchange {
  const headers = Object.entries({ host: 'api.example.com', ...USES[policy.name]?.headers });
  return stubExchange({ headers });
}

/** Runs a policy until it has decided or is stuck; where it is stuck, until all of its times are over. */
async function decide(policy: Policy, exchange: Exchange, breakage: () => unknown) {
  const { services, authService, elapse } = brokenServices(breakage);
  const verifies = policy.name === 'introspect' ? 'by-asking' : 'by-key';
  const options = policy.options.parse(USES[policy.name]?.options);
  const instance = await policy.create(options, { ...services, authService: authService(verifies) });
  const { pipeline } = stubPipeline([entry(instance, policy)]);
  const outcome = Promise.resolve(pipeline.runRequest(exchange));
  let isDecided = false;
  void outcome.then(() => {
    isDecided = true;
  });
  for (let i = 0; i < 100 && !isDecided; i++) await new Promise(setImmediate);
  elapse();
  return outcome;
}

test('every policy about who is calling is judged here', () => {
  expect(Object.keys(USES).sort()).toEqual(deciding.map(({ name }) => name).sort());
  expect(deciding.every(({ refuses }) => refuses)).toBe(true);
});

describe.each(identifying.map((policy) => [policy.name, policy] as const))('%s', (_, policy) => {
  test.each(Object.entries(BREAKAGES))('denies when what it depends on %s', async (what, breakage) => {
    const exchange = exchangeFor(policy);
    // It waits for the body alone, which the connection bounds.
    if (policy.name === 'signature' && what === 'hangs') return;
    const result = await decide(policy, exchange, breakage);
    expect(result).toBeInstanceOf(GatewayError);
    expect((result as GatewayError).status).toBeGreaterThanOrEqual(400);
    expect(exchange.identity).toBeUndefined();
  });

  test.each(Object.entries(BREAKAGES))('denies when its own identifier %s', async (_what, breakage) => {
    const { services } = brokenServices(breakage);
    const { clock, elapse } = handClock();
    const broken: Policy = {
      ...policy,
      ...(await import('../../src/core/identity/identify.ts')).defineIdentifyingPolicy({
        name: policy.name,
        summary: policy.summary,
        options: policy.options,
        createIdentifier: () => ({
          challenge: '',
          isOptional: false,
          identify: breakage as () => never,
          dropCredential() {},
        }),
      }),
    };
    const instance = await broken.create({} as never, { ...services, clock });
    const { pipeline } = stubPipeline([entry(instance, broken)]);
    const exchange = exchangeFor(policy);
    const outcome = Promise.resolve(pipeline.runRequest(exchange));
    await new Promise(setImmediate);
    elapse();
    expect(await outcome).toBeInstanceOf(GatewayError);
    expect(exchange.identity).toBeUndefined();
  });

  test('denies a request without a credential', async () => {
    const { services, authService } = brokenServices(() => undefined);
    const options = policy.options.parse(USES[policy.name]?.options);
    const verifies = policy.name === 'introspect' ? 'by-asking' : 'by-key';
    const instance = await policy.create(options, { ...services, authService: authService(verifies) });
    const { pipeline } = stubPipeline([entry(instance, policy)]);
    const exchange = stubExchange();
    expect(await pipeline.runRequest(exchange)).toBeInstanceOf(GatewayError);
    expect(exchange.identity).toBeUndefined();
  });
});

describe.each(deciding.map((policy) => [policy.name, policy] as const))('%s', (_, policy) => {
  test.each(Object.entries(BREAKAGES).filter(([what]) => what !== 'gives nothing'))(
    'denies when its whole decision %s',
    async (what, breakage) => {
      const { pipeline } = stubPipeline([entry({ onRequest: breakage as () => never }, policy)]);
      const exchange = exchangeFor(policy);
      const outcome = Promise.resolve(pipeline.runRequest(exchange));
      if (what !== 'hangs') return void expect(await outcome).toMatchObject({ code: 'GW_POLICY_FAILED' });
      // Nobody is let in while it hangs; who leaves is nobody's any more.
      pipeline.runFinish(exchange);
      expect(await Promise.race([outcome, Promise.resolve('pending')])).toBe('pending');
    },
  );

  test('is not made without what it needs', async () => {
    const needs = ['jwt', 'introspect', 'api-key', 'forward-auth', 'any'];
    if (!needs.includes(policy.name)) return;
    const { authService: _a, apiKeys: _k, upstream: _u, ...services } = stubServices().services;
    const make = async () => policy.create(policy.options.parse(USES[policy.name]?.options), services);
    await expect(make()).rejects.toThrow(TypeError);
  });
});

describe('on real sockets', () => {
  const customPolicies = {
    'test/way-in': fileURLToPath(new URL('../gateway/fixtures/scripted-way-in.ts', import.meta.url)),
  };

  async function setUp(
    script: string,
    saying: (exchange: Exchange) => unknown,
    more: readonly unknown[] = [],
  ) {
    const target = await startTarget();
    sayings.set(script, saying);
    const policies = [{ 'test/way-in': { script, optional: script === 'optional' } }, ...more];
    const { gateway, port } = await startGatewayTo(target, { customPolicies, policies } as object);
    return { target, gateway, port };
  }

  test.each(Object.entries(BREAKAGES).filter(([what]) => what !== 'hangs'))(
    'a way in that %s never reaches the target',
    async (what, breakage) => {
      const { target, gateway } = await setUp(what, breakage);
      const { status } = await gateway.inject({ url: '/' });
      expect(status).toBe(what === 'gives nothing' ? 401 : 500);
      expect(target.requests).toHaveLength(0);
    },
  );

  test('a way in that hangs is left when the client leaves, and lets nobody in afterwards', async () => {
    let settle: (identity: unknown) => void = () => {};
    let isAsked: () => void = () => {};
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve;
    });
    const { target, gateway } = await setUp('hangs', () => {
      isAsked();
      return new Promise((resolve) => {
        settle = resolve;
      });
    });
    const leaving = new AbortController();
    const asking = gateway.inject({ url: '/', signal: leaving.signal });
    await asked;
    leaving.abort(new Error('left'));
    await expect(asking).rejects.toThrow('left');
    settle({ subject: 'a', roles: [], permissions: [], method: 'test', claims: {} });
    sayings.set('hangs', () => undefined);
    expect((await gateway.inject({ url: '/' })).status).toBe(401);
    expect(target.requests).toHaveLength(0);
  });

  test("a way in of one's own may stand within any", async () => {
    const target = await startTarget();
    const somebody = { subject: 'a', roles: [], permissions: [], method: 'test', claims: {} };
    sayings.set('within', ({ headers }) => (headers.has('x-session') ? somebody : undefined));
    const policies = [{ any: ['api-key', { 'test/way-in': { script: 'within' } }] }];
    const { gateway } = await startGatewayTo(target, { customPolicies, policies } as object);
    expect((await gateway.inject({ url: '/', headers: { 'x-session': '1' } })).status).toBe(200);
    const asked = await gateway.inject({ url: '/' });
    expect(asked.status).toBe(401);
    expect(asked.headers.get('www-authenticate')).toBe('ApiKey realm="api", Test realm="api"');
    sayings.set('within', () => Promise.reject(new Error('broken')));
    expect((await gateway.inject({ url: '/' })).status).toBe(500);
    expect(await gateway.reload()).toMatchObject({ ok: true });
    expect((await gateway.inject({ url: '/' })).status).toBe(500);
    expect(target.requests).toHaveLength(1);
  });

  test('an optional way in that finds nobody does not let authorize be passed', async () => {
    const { target, gateway } = await setUp('optional', () => undefined, ['authorize']);
    const answer = await gateway.inject({ url: '/' });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Test realm="api"');
    expect(target.requests).toHaveLength(0);
  });

  test('a path without a route is not told from one with, to who may not come in', async () => {
    const { gateway, target } = await setUp('nobody', () => undefined, [
      { cors: { origins: ['https://a.example'] } },
    ]);
    const preflight = await gateway.inject({
      method: 'OPTIONS',
      url: '/',
      headers: { origin: 'https://a.example', 'access-control-request-method': 'PUT' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://a.example');
    const refused = await gateway.inject({ url: '/', headers: { origin: 'https://a.example' } });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBe('https://a.example');
    expect(target.requests).toHaveLength(0);
  });
});

describe('a public route', () => {
  test('is open without what the top level asks for, and no other is', async () => {
    const target = await startTarget();
    const { gateway } = await startGatewayTo(target, {
      policies: [{ basic: { users: { ada: { password: HASH } } } }, 'authorize'],
      routes: [
        { id: 'health', path: '/health', upstream: 'service', public: true },
        { id: 'orders', path: '/orders', upstream: 'service' },
      ],
    } as object);
    const statusOf = async (url: string, method = 'GET') => (await gateway.inject({ url, method })).status;
    expect(await statusOf('/health')).toBe(200);
    for (const path of [
      '/orders',
      '/none',
      '/health/',
      '/health/x',
      '/health/../orders',
      '/%6frders',
      '//orders',
    ])
      expect([path, await statusOf(path)]).toEqual([path, 401]);
    expect(target.requests).toHaveLength(1);
  });
});
