import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import {
  any,
  apiKey,
  authorize,
  basic,
  bodyLimit,
  cache,
  clientCertificate,
  concurrency,
  cors,
  defineGateway,
  forwardAuth,
  type GatewayInput,
  headers,
  idempotencyKey,
  introspect,
  ipFilter,
  jwt,
  mirror,
  type PolicyInput,
  quota,
  rateLimit,
  requestId,
  respondAsync,
  securityHeaders,
  signature,
  transform,
  validate,
} from '../../src/index.ts';
import { builtInPolicies } from '../../src/policies/index.ts';

const everyPolicy = [
  requestId({ header: 'x-correlation-id' }),
  cors({ origins: ['https://app.example.com'], maxAge: '1h', id: 'browsers' }),
  securityHeaders({ xFrameOptions: false }),
  headers({ response: { set: { 'cache-control': 'no-store' } } }),
  ipFilter({ deny: ['192.0.2.0/24'], observe: true }),
  bodyLimit({ max: '64KiB' }),
  mirror({ upstream: 'next', share: '10%' }),
  concurrency({ limit: 100, id: 'all' }),
  rateLimit({ limit: 100, window: '1m', key: ['subject', 'route'] }),
  quota({ limit: 10_000, period: 'month', timeZone: 'Europe/Berlin', observe: true }),
  authorize({ roles: ['admin'], inherits: { owner: ['admin'] } }),
  validate({ query: { type: 'object' }, unknown: 'strip', observe: true }),
  cache({ maxAge: '30s', key: { query: { ignore: ['utm_*'] } }, private: true }),
  idempotencyKey({ ttl: '1h', required: true }),
  transform({ response: { body: { data: '{response.body}' } } }),
  respondAsync({ when: 'always', retries: 5 }),
];

const HASH = `$scrypt$ln=15,r=8,p=3$${'A'.repeat(22)}$${'A'.repeat(43)}`;

/** Of these a list has one. */
const everyWayIn = [
  jwt({ optional: true }),
  introspect({ service: 'partner' }),
  apiKey({ optional: true }),
  basic({ users: { ada: { password: HASH, roles: ['editor'] } } }),
  forwardAuth({ url: 'http://auth:9000/verify', requestHeaders: ['cookie'] }),
  clientCertificate({ clients: { 'orders-service': { roles: ['service'] } } }),
  signature({ keys: { partner: { secret: 'a secret of at least 32 characters' } } }),
  any([jwt(), 'api-key', basic({ users: { ada: { password: HASH } } })]),
];

const authServices = {
  main: { secret: 'a secret of at least 32 characters', audience: 'orders' },
  partner: {
    introspection: { url: 'https://sso.example.com/introspect', clientId: 'gw', clientSecret: 'secret' },
    audience: 'orders',
  },
};

const tls = {
  certificates: [{ certFile: './any.pem', keyFile: './any.pem' }],
  clientCertificates: { caFile: './any.pem' },
};

const upstreams = { next: { targets: ['http://127.0.0.1:1'] } };

async function load(config: GatewayInput) {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-define-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'sallyport.json');
  await writeFile(file, JSON.stringify(config));
  await writeFile(join(folder, 'any.pem'), '');
  return loadConfig(file, { policies: builtInPolicies, env: {} });
}

describe('defineGateway', () => {
  it('takes every built-in policy by its function, as the loader takes it', async () => {
    const taken = new Set<string>();
    for (const wayIn of everyWayIn) {
      const policies = [wayIn, ...everyPolicy];
      const result = await load(
        defineGateway({
          listeners: [{ port: 0, tls }],
          redis: { url: 'redis://127.0.0.1:1' },
          authServices,
          upstreams,
          policies,
        }),
      );
      if (!result.ok) throw new Error(JSON.stringify(result.problems));
      for (const { name } of result.config.policies) taken.add(name);
    }
    expect([...taken].sort()).toEqual(builtInPolicies.map(({ name }) => name).sort());
  });

  it('needs no options where there is nothing that must be said', async () => {
    const policies = [requestId(), securityHeaders(), bodyLimit()];
    const names = await load(defineGateway({ listeners: [{ port: 0 }], policies }));
    expect(names.ok && names.config.policies).toHaveLength(3);
  });
});

// What follows is judged by the compiler: a line below `@ts-expect-error` that compiles fails `npm run check`.

const routes = (...policies: PolicyInput[]): GatewayInput['routes'] => [
  { id: 'a', path: '/', respond: {}, policies },
];

defineGateway({
  listeners: [{ port: 0 }],
  policies: ['request-id', 'acme/audit', { cors: { origins: ['*'] } }, { 'acme/audit': { anything: 1 } }],
  routes: routes('body-limit', { 'body-limit': { max: '1MiB', observe: true } }, { any: ['jwt', 'api-key'] }),
});

defineGateway({
  listeners: [{ port: 0 }],
  policies: [
    // @ts-expect-error: no such policy
    'request-idd',
    // @ts-expect-error: cors has to say which origins
    'cors',
    // @ts-expect-error: no such policy
    { crs: { origins: ['*'] } },
    // @ts-expect-error: no such option
    { cors: { origins: ['*'], origin: '*' } },
    // @ts-expect-error: a list is due
    { cors: { origins: '*' } },
    // @ts-expect-error: an entry has one key
    { cors: { origins: ['*'] }, headers: {} },
    // @ts-expect-error: an entry has one key, whoever's policy it is
    { cors: { origins: ['*'] }, 'acme/audit': {} },
    // @ts-expect-error: cors refuses nothing
    { cors: { origins: ['*'], observe: true } },
    // @ts-expect-error: nobody gets in because a way in only observes
    { jwt: { observe: true } },
    // @ts-expect-error: cors finds out nothing about who is calling
    { any: ['jwt', { cors: { origins: ['*'] } }] },
  ],
});

// @ts-expect-error: the same holds in routes
routes({ 'ip-filter': { allows: [] } });
// @ts-expect-error: and in the functions
cors({ origin: '*' });
// @ts-expect-error: which want what the policy wants
cors();
// @ts-expect-error: sizes have units
bodyLimit({ max: 5 });
// @ts-expect-error: a header policy refuses nothing
headers({ observe: true });
// @ts-expect-error: a gateway listens
defineGateway({ routes: [] });
