import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { InternalTokens } from '../../src/auth/internal-tokens.ts';
import { internalTokensSchema } from '../../src/config/schema/internal-tokens-schema.ts';
import { text } from '../../src/config/schema/scalars.ts';
import { systemClock } from '../../src/core/clock.ts';
import { hashPassword } from '../../src/policies/basic/password-hash.ts';
import { createSecretSigner, signToken } from '../auth/test-tokens.ts';
import { stubExchange } from '../core/stub-exchange.ts';
import { SECRET as SIGNING_SECRET, signRequest } from '../policies/sign-request.ts';
import {
  ADMIN_TOKEN,
  rawRequest,
  readAll,
  startGateway,
  startTarget,
  type TestGateway,
  type TestTarget,
} from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';

const SECRET = 'a secret of the gateway and its issuer, 42';
const BASIC = `Basic ${btoa('ada:correct horse')}`;

const exp = Math.floor(Date.now() / 1000) + 3600;
const token = signToken(createSecretSigner(SECRET), { aud: 'orders', sub: 'ada', exp });
const BEARER = `Bearer ${token}`;
const URL_ASKED = 'http://api.example.com/';

let target: TestTarget;
let gateway: TestGateway;
let key = '';

const password = await hashPassword('correct horse', { logN: 10, blockSize: 1, parallelism: 1 });
const basic = { basic: { users: { ada: { password } } } };
const LISTS: Readonly<Record<string, readonly unknown[]>> = {
  none: [],
  jwt: ['jwt'],
  dropped: [{ jwt: { forward: 'drop' } }],
  'by-cookie': [{ jwt: { from: { cookie: 'session' } } }],
  'by-header': [{ jwt: { from: { header: 'x-token' } } }],
  'by-header-dropped': [{ jwt: { from: { header: 'x-token' }, forward: 'drop' } }],
  'by-header-optional': [{ jwt: { from: { header: 'x-token' }, optional: true } }],
  key: ['api-key'],
  'own-key': [{ 'api-key': { header: 'x-partner-key' } }],
  basic: [basic],
  signature: [{ signature: { keys: { partner: { secret: SIGNING_SECRET } } } }],
  any: [{ any: ['jwt', 'api-key', basic] }],
  'any-key-first': [{ any: ['api-key', basic, { jwt: { from: { cookie: 'session' } } }] }],
  optional: [{ any: [{ jwt: { optional: true } }, { 'api-key': { optional: true } }] }],
};

beforeAll(async () => {
  target = await startTarget();
  gateway = await startGateway({
    authServices: { main: { secret: SECRET, audience: 'orders' } },
    upstreams: { service: { targets: [target.url] } },
    routes: Object.entries(LISTS).map(([id, policies]) => ({
      id,
      path: '/',
      headers: { 'x-list': id },
      upstream: 'service',
      policies: policies as never,
    })),
  });
  const made = await fetch(`http://${LOOPBACK}:${gateway.adminPort}/api/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ owner: 'acme' }),
  });
  key = ((await made.json()) as { key: string }).key;
});

afterAll(async () => {
  await gateway.close();
  await target.close();
});

/** Sends a request by a list of policies. Gives the fields of it that the target saw. */
async function seenBy(list: string, headers: Record<string, string>): Promise<Record<string, string>> {
  const before = target.requests.length;
  const { status } = await gateway.gateway.inject({
    url: URL_ASKED,
    headers: { 'x-list': list, ...headers },
  });
  expect([status, target.requests.length]).toEqual([200, before + 1]);
  const { rawHeaders: raw } = await target.request(before);
  const seen = raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1] as string] as const] : []));
  return Object.fromEntries(seen.filter(([name]) => Object.hasOwn(headers, name)));
}

describe('what the upstream gets of credentials', () => {
  it.each<[string, string, () => Record<string, string>, () => Record<string, string>]>([
    [
      'the token, where it stood',
      'jwt',
      () => ({ authorization: BEARER }),
      () => ({ authorization: BEARER }),
    ],
    ['no token that is dropped', 'dropped', () => ({ authorization: BEARER }), () => ({})],
    [
      'no cookie with a token, but all others',
      'by-cookie',
      () => ({ cookie: `a=b; session=${token}; c=d` }),
      () => ({ cookie: 'a=b; c=d' }),
    ],
    [
      'no cookies at all where the token was all',
      'by-cookie',
      () => ({ cookie: `session=${token}` }),
      () => ({}),
    ],
    [
      'a token in a header of its own',
      'by-header',
      () => ({ 'x-token': token }),
      () => ({ 'x-token': token }),
    ],
    [
      'no other that a service could take for it',
      'by-header',
      () => ({ 'X-Token': token, x_token: 'a.b.c', 'X.Token': 'a.b.c' }),
      () => ({ 'X-Token': token }),
    ],
    [
      'none that could be taken for one, where there is none',
      'by-header-optional',
      () => ({ x_token: 'a.b.c', 'x!token': 'a.b.c', 'x-tokens': 'mine' }),
      () => ({ 'x-tokens': 'mine' }),
    ],
    ['none of those that is dropped', 'by-header-dropped', () => ({ 'x-token': token }), () => ({})],
    ['no key', 'key', () => ({ 'x-api-key': key, 'X.Api.Key': 'k', x_api_key: 'k' }), () => ({})],
    [
      'no key in a header of its own',
      'own-key',
      () => ({ 'x-partner-key': key, x_partner_key: key }),
      () => ({}),
    ],
    ['no password', 'basic', () => ({ authorization: BASIC }), () => ({})],
    [
      'no signature',
      'signature',
      () => signRequest({ url: URL_ASKED }) as Record<string, string>,
      () => ({}),
    ],
    [
      'the token that decided, no key beside it',
      'any',
      () => ({ authorization: BEARER, 'x-api-key': key, x_api_key: key }),
      () => ({ authorization: BEARER }),
    ],
    [
      'no password beside the key that decided',
      'any',
      () => ({ authorization: BASIC, 'x-api-key': key }),
      () => ({}),
    ],
    [
      'neither password nor token beside the key that decided',
      'any-key-first',
      () => ({ authorization: BASIC, 'x-api-key': key, cookie: `session=${token}; a=b` }),
      () => ({ cookie: 'a=b' }),
    ],
    [
      'neither, where they are made up',
      'any-key-first',
      () => ({ authorization: 'Basic YTpi', 'x-api-key': key, cookie: 'session=a.b.c' }),
      () => ({}),
    ],
    [
      'credentials of a kind that nobody looks at here',
      'none',
      () => ({ authorization: BASIC, 'x-api-key': 'k', cookie: 'a=b' }),
      () => ({ authorization: BASIC, 'x-api-key': 'k', cookie: 'a=b' }),
    ],
    ['nothing of a key where nobody has to have one', 'optional', () => ({ 'x-api-key': key }), () => ({})],
  ])('is %s', async (_, list, headers, expected) => {
    expect(await seenBy(list, headers())).toEqual(expected());
  });
});

describe('what stands behind a body', () => {
  const trailers = [
    'x-token: forged',
    'X_Token: forged',
    'x-partner-key: forged',
    'X.Role: admin',
    'x-sum: 7',
  ];
  const body = `1\r\nx\r\n0\r\n${trailers.join('\r\n')}\r\n\r\n`;

  async function trailersBy(policy: unknown, field: string, answer?: TestTarget): Promise<readonly string[]> {
    const own = await startTarget(async (request, response) => {
      await readAll(request);
      response.end();
    });
    const { port } = await startGateway({
      authServices: { main: { secret: SECRET, audience: 'orders' } },
      upstreams: {
        service: { targets: [own.url] },
        ...(answer && { auth: { targets: [answer.url] } }),
      },
      routes: [{ id: 'all', path: '/*', upstream: 'service', policies: [policy] as never }],
    });
    const head = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n${field}\r\n\r\n`;
    expect(await rawRequest(port, head + body)).toMatch(/^HTTP\/1\.1 200 /);
    return (await own.request(0)).rawTrailers.filter((_, i) => i % 2 === 0);
  }

  it('is not a token for which one in a header has been verified', async () => {
    const jwt = { jwt: { from: { header: 'x-token' } } };
    expect(await trailersBy(jwt, `X-Token: ${token}`)).toEqual(['x-partner-key', 'X.Role', 'x-sum']);
  });

  it('is not a key', async () => {
    const keys = { 'api-key': { header: 'x-partner-key', optional: true } };
    expect(await trailersBy(keys, 'X: y')).toEqual(['x-token', 'X_Token', 'X.Role', 'x-sum']);
  });

  it('is nothing that only another service may say', async () => {
    const auth = await startTarget(
      (_, response) => void response.writeHead(200, { 'x-role': 'reader' }).end(),
    );
    const asking = { 'forward-auth': { upstream: 'auth', requestHeaders: [], responseHeaders: ['x-role'] } };
    expect(await trailersBy(asking, 'X: y', auth)).toEqual(['x-token', 'X_Token', 'x-partner-key', 'x-sum']);
  });
});

describe('a token of ours that cannot be made', () => {
  const config = internalTokensSchema(text).parse({ issuer: 'gateway' });
  const identity = { subject: 'ada', roles: [], permissions: [], method: 'api-key', claims: {} };

  it('leaves none of the client in its place, and is tried anew', async () => {
    let tries = 0;
    const keys = {
      current() {
        tries++;
        throw new Error('the key is away');
      },
      published: () => [],
      close() {},
    };
    const tokens = new InternalTokens(config, keys, systemClock);
    for (const _ of [1, 2]) {
      const exchange = stubExchange({ headers: [['authorization', 'Bearer forged']] });
      await expect(tokens.writeTo(exchange, identity, 'orders')).rejects.toThrow('the key is away');
      expect(exchange.headers.has('authorization')).toBe(false);
    }
    expect(tries).toBe(2);
  });

  it('answers 500, and the upstream hears nothing', async () => {
    const broken = vi
      .spyOn(InternalTokens.prototype, 'writeTo')
      .mockRejectedValue(new Error('the key is away'));
    onTestFinished(() => broken.mockRestore());
    const own = await startTarget();
    const exchanging = await startGateway({
      authServices: { main: { secret: SECRET, audience: 'orders' } },
      internalTokens: { issuer: 'gateway' },
      upstreams: { service: { targets: [own.url] } },
      routes: [{ id: 'all', path: '/*', upstream: 'service', policies: [{ jwt: { forward: 'exchange' } }] }],
    });
    const response = await fetch(exchanging.url, { headers: { authorization: BEARER } });
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ code: 'GW_INTERNAL' });
    expect(own.requests).toEqual([]);
  });
});
