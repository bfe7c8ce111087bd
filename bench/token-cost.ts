/**
 * Asks what `jwt` with `authorize` costs for a token that is known, in-process, the pipeline with and without them by
 * turns; and whether 1,000 new RS256 tokens a second hold the event loop up. Goals: 4 µs; no busy
 * stretch of more than a few milliseconds. Run: `node bench/token-cost.ts`.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createAuthService } from '../src/auth/create-auth-service.ts';
import { authServiceSchema } from '../src/config/auth-schema.ts';
import { text } from '../src/config/scalars.ts';
import { isRefusal } from '../src/core/auth-service.ts';
import { BufferBudget } from '../src/core/buffer-budget.ts';
import { systemClock } from '../src/core/clock.ts';
import { KeptResources } from '../src/core/kept-resources.ts';
import { mergePolicies } from '../src/core/merge-policies.ts';
import { compilePipeline, type Pipeline } from '../src/core/pipeline.ts';
import type { Policy, PolicyInstance } from '../src/core/policy.ts';
import type { Services } from '../src/core/services.ts';
import { authorize, jwt } from '../src/policies/index.ts';
import { LoopMonitor, quantile } from './loop-monitor.ts';
import { makeExchange } from './make-exchange.ts';

const KNOWN_TOKENS = 100;
const ROUNDS = 400;
/** Few enough to stay in the processor's cache, as a head does that was just read. */
const REQUESTS = 500;
const NEW_TOKENS = 5000;

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ignore = () => {};
const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
const settings = {
  publicKey: publicKey.export({ format: 'jwk' }),
  audience: 'orders',
  rolesClaim: 'realm_access.roles',
};
const service = createAuthService(
  'main',
  authServiceSchema(text).parse(settings),
  {},
  { log, clock: systemClock },
);
const kept = new KeptResources();
const services: Services = {
  log,
  clock: systemClock,
  metrics: { counter: () => ({ add: ignore }), gauge: () => ignore },
  random: Math.random,
  configFolder: '/',
  keep: (key, create, close) => kept.hold(key, create, close),
  authService: () => service,
};

function makeToken(id: number, key: KeyObject): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: 'https://id.example.com',
    aud: 'orders',
    sub: `user-${id}`,
    iat: now,
    exp: now + 3600,
    scope: 'openid orders:read',
    realm_access: { roles: ['offline_access', 'customer'] },
    sid: 'x'.repeat(200),
  };
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const data = `${encode({ alg: 'RS256', typ: 'JWT', kid: 'a' })}.${encode(claims)}`;
  return `${data}.${sign('sha256', Buffer.from(data), key).toString('base64url')}`;
}

function pipelineOf(...uses: readonly (readonly [policy: Policy, options: object])[]): Pipeline {
  const entries = uses.map(([policy, options]) => ({
    policy,
    id: policy.name,
    observe: false,
    instance: policy.create(policy.options.parse(options), services) as PolicyInstance,
  }));
  const context = {
    route: 'orders',
    log,
    clock: systemClock,
    metrics: services.metrics,
    budget: new BufferBudget(),
  };
  return compilePipeline(mergePolicies(entries, []), context);
}

function microsecondsPerRequest(pipeline: Pipeline, tokens: readonly string[]): number {
  const exchanges = Array.from({ length: REQUESTS }, (_, i) =>
    makeExchange('authorization', `Bearer ${tokens[i % tokens.length]}`),
  );
  const start = performance.now();
  for (const exchange of exchanges) {
    if (pipeline.runRequest(exchange) !== undefined) throw new Error('a known token was not let in at once');
  }
  return ((performance.now() - start) * 1000) / REQUESTS;
}

async function measureKnownTokens(): Promise<void> {
  const tokens = Array.from({ length: KNOWN_TOKENS }, (_, i) => makeToken(i, privateKey));
  for (const token of tokens) await service.verifyToken(token);
  const on = pipelineOf([jwt, {}], [authorize, { roles: ['customer'], permissions: ['orders:read'] }]);
  const off = pipelineOf();
  const [withPolicies, without]: number[][] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    without?.push(microsecondsPerRequest(off, tokens));
    withPolicies?.push(microsecondsPerRequest(on, tokens));
  }
  const cost = median(withPolicies as number[]) - median(without as number[]);
  console.log(`known token, jwt and authorize: ${cost.toFixed(2)} µs`);
}

/** Of the later half: the first rounds are compiled as they run. */
function median(values: readonly number[]): number {
  const late = values.slice(values.length / 2).sort((a, b) => a - b);
  return late[Math.floor(late.length / 2)] as number;
}

async function measureNewTokens(): Promise<void> {
  const tokens = Array.from({ length: NEW_TOKENS }, (_, i) => makeToken(KNOWN_TOKENS + i, privateKey));
  const monitor = new LoopMonitor();
  monitor.start();
  const start = performance.now();
  const outcomes: ReturnType<typeof service.verifyToken>[] = [];
  while (outcomes.length < NEW_TOKENS) {
    const due = Math.min(NEW_TOKENS, Math.floor(performance.now() - start));
    while (outcomes.length < due) outcomes.push(service.verifyToken(tokens[outcomes.length] as string));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  for (const outcome of outcomes) if (isRefusal(await outcome)) throw new Error('a good token was refused');
  const seconds = (performance.now() - start) / 1000;
  monitor.stop();
  const { busyMs } = monitor.take();
  const each = (busyMs.reduce((sum, ms) => sum + ms, 0) * 1000) / NEW_TOKENS;
  const [usual, longest] = [quantile(busyMs, 0.99), busyMs.at(-1) ?? 0];
  console.log(
    `${Math.round(NEW_TOKENS / seconds)} new RS256 tokens a second: ${each.toFixed(0)} µs of this thread each, ` +
      `busy stretches up to ${usual.toFixed(1)} ms (99 %), ${longest.toFixed(1)} ms (longest)`,
  );
}

await measureKnownTokens();
await measureNewTokens();
