import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../src/config/load.ts';
import { builtInPolicies } from '../../src/policies/index.ts';
import { createSecretSigner, signToken } from '../auth/test-tokens.ts';
import { rawRequest, startGateway } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import type { RandomRequest } from './random-request.ts';
import type { Reader } from './readers.ts';

const SECRET = 'a secret of the gateway and its issuer, 42';
const signer = createSecretSigner(SECRET);

/** Of two callers whom the gateway knows. */
export const TOKENS = ['alice', 'bob'].map((sub) =>
  signToken(signer, { aud: 'orders', sub, exp: Math.floor(Date.now() / 1000) + 36_000 }),
);

/** What a reader made of a request. */
interface Reading {
  readonly handler: string;
  readonly ran: string;
  readonly route: string;
  readonly subject: string;
  readonly authorization: string;
}

/** What a request came to: refused, served as judged, served otherwise though `check` has warned of it, or a fault. */
export type Judgement =
  | { readonly kind: 'refused' }
  | { readonly kind: 'served' | 'warned'; readonly handler: string }
  | { readonly kind: 'fault'; readonly what: string };

/** Which of a reader's spellings its routes take as the same, as its guide would tell. */
const MATCHING: Readonly<Record<string, object>> = {
  express: { caseSensitive: false, trailingSlash: 'same' },
  python: { trailingSlash: 'same' },
};

/** Starts gateways before `readers`, one of which takes its clients for trusted proxies. */
export async function startBefore(readers: readonly Reader[]) {
  const [wary, trusting] = [
    await startOne(readers, []),
    await startOne(readers, ['127.0.0.1/32', `${LOOPBACK}/32`]),
  ];
  return {
    judge: (request: RandomRequest) => (request.isTrusted ? trusting : wary).judge(request),
    async close() {
      await wary.close();
      await trusting.close();
    },
  };
}

/** Starts a gateway whose routes mark what they let through. Its second listener lets through whatever it can. */
async function startOne(readers: readonly Reader[], trustedProxies: readonly string[]) {
  const everything = { slash: true, backslash: true, semicolon: true, nul: true, invalidUtf8: true };
  const gateway = await startGateway({
    listeners: [
      { port: 0, allowEncoded: { doubleEncoded: false } },
      { port: 0, allowEncoded: everything, mergeSlashes: false },
    ],
    trustedProxies: [...trustedProxies],
    customPolicies: { 'test/guard': fixture('guard-policy.ts'), 'test/route': fixture('route-policy.ts') },
    authServices: { main: { secret: SECRET, audience: 'orders' } },
    upstreams: Object.fromEntries(readers.map(({ name, url }) => [name, { targets: [url] }])),
    policies: ['test/route'],
    routes: readers.flatMap(({ name }) => [
      ...routesOf(name, name, MATCHING[name] ?? {}),
      ...routesOf(name, `loose.${name}`, {}),
    ]),
  });
  const warned = await readWarnings(gateway.configFile);
  return {
    close: gateway.close,
    async judge({ bytes, isPermissive }: RandomRequest): Promise<Judgement> {
      const received = await rawRequest(gateway.ports[isPermissive ? 1 : 0] as number, bytes);
      const body = /\r\n\r\n.*?(\{"[\s\S]*\})/.exec(received)?.[1];
      if (!/^HTTP\/1\.1 200 /.test(received) || body === undefined) return { kind: 'refused' };
      return judgeReading(JSON.parse(body) as Reading, warned, isPermissive);
    },
  };
}

function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
}

function routesOf(upstream: string, host: string, matching: object) {
  const guarded = (mark: string, path: string, more: object = {}) => ({
    id: `${host}-${mark}`,
    path,
    hosts: [`${host}.test`],
    upstream,
    ...matching,
    policies: [{ 'test/guard': { mark } }],
    ...more,
  });
  return [
    guarded('admin', '/admin/*'),
    guarded('login', '/login', { methods: ['POST'] }),
    guarded('purge', '/v1/items:purge'),
    guarded('root', '/users/@root'),
    guarded('user', '/users/:id'),
    guarded('me', '/me', { policies: [{ jwt: { service: 'main' } }] }),
    guarded('rest', '/*', { policies: [] }),
    guarded('inner', '/*', { hosts: [`inner.${host}.test`] }),
  ];
}

/** The pairs of which `check` says that what the first guards may get by as the second. */
async function readWarnings(configFile: string): Promise<ReadonlySet<string>> {
  const loaded = await loadConfig(configFile, { policies: builtInPolicies, env: {} });
  if (!loaded.ok) throw new Error('the configuration is not good');
  const { routes } = loaded.config;
  return new Set(
    loaded.warnings.flatMap(({ path, message }) => {
      const by = /by routes\[(\d+)\]/.exec(message)?.[1];
      const from = /^routes\[(\d+)\]/.exec(path)?.[1];
      return by === undefined || from === undefined
        ? []
        : [`${routes[Number(from)]?.id} > ${routes[Number(by)]?.id}`];
    }),
  );
}

/**
 * Whatever a reader takes a request for, the policies of that route have run, on the caller that it sees. Where its routes
 * say how it reads, and nothing doubtful is let through, that holds without a warning.
 */
export function judgeReading(
  reading: Reading,
  warned: ReadonlySet<string>,
  isPermissive: boolean,
): Judgement {
  const { handler, ran, route, subject, authorization } = reading;
  const host = route.slice(0, route.lastIndexOf('-'));
  const served = { kind: 'served', handler } as const;
  if (handler === 'rest') return served;
  const hasRun =
    handler === 'me'
      ? subject !== '' && subject === subjectOf(authorization)
      : ran.split(/,\s*/).includes(handler);
  if (hasRun) return served;
  const mayBeWarnedOf = isPermissive || host.startsWith('loose.');
  if (mayBeWarnedOf && warned.has(`${host}-${handler} > ${route}`)) return { kind: 'warned', handler };
  return { kind: 'fault', what: JSON.stringify(reading) };
}

function subjectOf(authorization: string): string | undefined {
  const [, payload] = authorization.split('.');
  if (payload === undefined) return undefined;
  return (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sub?: string }).sub;
}
