import { describe, expect, test } from 'vitest';
import { policyJsonSchema } from '../../src/config/schema/json-schema.ts';
import { EMPTY_BODY } from '../../src/core/body.ts';
import type { Exchange } from '../../src/core/exchange.ts';
import type { VerifiedApiKey } from '../../src/core/identity/api-keys.ts';
import type { TokenVerifier, VerifiedToken } from '../../src/core/identity/auth-service.ts';
import type { Policy, PolicyInstance } from '../../src/core/policy.ts';
import { builtInPolicies } from '../../src/policies/index.ts';
import {
  entry,
  runThrough,
  stubExchange,
  stubPipeline,
  stubServices,
  upstreamHead,
} from '../core/stub-exchange.ts';

/** Options with which each policy does something to every request. */
const OPTIONS: Readonly<Record<string, unknown>> = {
  'request-id': {},
  cors: { origins: ['https://app.example.com'] },
  'security-headers': {},
  headers: { request: { set: { a: '1' } }, response: { set: { a: '1' } } },
  'ip-filter': { deny: ['203.0.113.1'] },
  'body-limit': {},
  mirror: { upstream: 'orders-next' },
  concurrency: { limit: 1 },
  'rate-limit': { limit: 1, window: '1m' },
  quota: { limit: 1, period: 'day' },
  jwt: {},
  introspect: {},
  'api-key': {},
  basic: {
    users: { ada: { password: `$scrypt$ln=10,r=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}` } },
    optional: true,
  },
  signature: { keys: { partner: { secret: 'a secret of at least 32 characters' } }, optional: true },
  'client-certificate': { optional: true },
  'forward-auth': { url: 'http://127.0.0.1:1', requestHeaders: [] },
  any: ['jwt', 'api-key'],
  authorize: { roles: ['admin'] },
  validate: { headers: { properties: { a: { type: 'string' } } } },
  cache: { maxAge: '1m' },
  'idempotency-key': {},
  transform: { request: { headers: { a: '{params.id}' } }, response: { headers: { a: '1' } } },
  'respond-async': {},
};

/** Whatever is presented is good. */
const VERIFIED_KEY: VerifiedApiKey = {
  record: { id: '1', owner: 'a', roles: [], permissions: [], metadata: {}, createdAt: 0, isDisabled: false },
  identity: { subject: 'a', roles: [], permissions: [], method: 'api-key', claims: {} },
  routes: undefined,
  addresses: undefined,
};

const VERIFIED_TOKEN: VerifiedToken = { sub: 'a', exp: 4e9, roles: [], permissions: [], claims: {} };

async function instanceOf(policy: Policy): Promise<PolicyInstance> {
  const { services } = stubServices();
  const apiKeys = { open: async () => ({ verify: () => VERIFIED_KEY }) };
  const authService = (name: string): TokenVerifier => ({
    name,
    verifies: policy.name === 'introspect' ? 'by-asking' : 'by-key',
    findVerified: () => VERIFIED_TOKEN,
    verifyToken: () => VERIFIED_TOKEN,
    getUserRoles: async () => [],
  });
  return policy.create(policy.options.parse(OPTIONS[policy.name]), { ...services, apiKeys, authService });
}

/** A request with every kind of credential. */
const CREDENTIALS = [
  ['x-api-key', 'good'],
  ['authorization', 'Bearer good'],
] as const;

/** Policies that read nothing of an exchange, so that nothing of it can break them. */
const COUNTING_ONLY: ReadonlySet<string> = new Set(['concurrency']);

/** Policies that ask elsewhere about every request, or run the rest of it by themselves. */
const ASKING: ReadonlySet<string> = new Set(['forward-auth', 'cache']);

/** An exchange in which whatever a policy reads throws, as a mistake in its code would. */
function brokenExchange(): Exchange {
  const exchange = stubExchange();
  for (const key of [
    'request',
    'identity',
    'headers',
    'body',
    'clientAddress',
    'scheme',
    'publicAuthority',
  ]) {
    Object.defineProperty(exchange, key, {
      get() {
        throw new Error('a mistake');
      },
    });
  }
  return exchange;
}

describe.each(builtInPolicies.map((policy) => [policy.name, policy] as const))('%s', (name, policy) => {
  test('has options for this suite, a summary, and says what each option means', () => {
    expect(Object.keys(OPTIONS)).toContain(name);
    expect(policy.summary).toMatch(/^[A-Z].*\.$/);
    const schema = policyJsonSchema(policy);
    for (const property of Object.values(schema.properties ?? {})) {
      expect(property).toHaveProperty('description');
    }
  });

  test('refuses an option that it does not know', () => {
    const options = { ...(OPTIONS[name] as object), misspelt: true };
    expect(policy.options.safeParse(options).success).toBe(false);
  });

  test.skipIf(COUNTING_ONLY.has(name))('denies when its own code throws', async () => {
    const { pipeline } = stubPipeline([entry(await instanceOf(policy), policy)]);
    const upstream = { head: upstreamHead(), body: EMPTY_BODY };
    const { head } = await runThrough(pipeline, brokenExchange(), upstream);
    expect(head.status).toBe(500);
  });

  test.each(['onRequest', 'onResponse'] as const)('denies when its %s throws or rejects', async (moment) => {
    const instance = await instanceOf(policy);
    if (instance[moment] === undefined) return;
    const throwing = () => {
      throw new Error('broken');
    };
    for (const broken of [throwing, () => Promise.reject(new Error('broken'))]) {
      const { pipeline } = stubPipeline([entry({ ...instance, [moment]: broken }, policy)]);
      const { head } = await runThrough(pipeline, stubExchange());
      expect(head.status).toBe(500);
    }
  });

  test.skipIf(ASKING.has(name))('passes an ordinary request without a promise', async () => {
    const { pipeline } = stubPipeline([entry(await instanceOf(policy), policy)]);
    const exchange = stubExchange({ headers: CREDENTIALS });
    if (policy.access === 'authorizes')
      exchange.identity = { subject: 'a', roles: ['admin'], permissions: [], method: 'jwt', claims: {} };
    expect(pipeline.runRequest(exchange)).toBeUndefined();
    expect(pipeline.runResponse(exchange, upstreamHead(), { openBody: () => EMPTY_BODY })).toBeUndefined();
  });
});

test('names are unique and hold no slash, which marks custom ones', () => {
  const names = builtInPolicies.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => name.includes('/'))).toEqual([]);
});
