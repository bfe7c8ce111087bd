import { generateKeyPairSync } from 'node:crypto';
import { readdir, stat, writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { hashPassword } from '../../src/policies/basic/password-hash.ts';
import { createSecretSigner, signToken } from '../auth/test-tokens.ts';
import { StubClock } from '../observability/stub-clock.ts';
import {
  ADMIN_TOKEN,
  startGateway,
  startTarget,
  type TestConfig,
  type TestGateway,
} from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { until } from '../support/until.ts';

const SECRET = 'a secret of the gateway and its issuer, 42';
const ISSUER = 'https://gateway.example.com';
const signer = createSecretSigner(SECRET);
const EXCHANGE = { jwt: { forward: 'exchange' } };

function token(claims: Record<string, unknown> = {}): string {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  return signToken(signer, { iss: 'https://id.example.com', aud: 'orders', sub: 'ada', exp, ...claims });
}

const bearer = (claims?: Record<string, unknown>) => ({ authorization: `Bearer ${token(claims)}` });

function configFor(url: string, policies: readonly unknown[], tokens: object = {}): TestConfig {
  return {
    authServices: { main: { secret: SECRET, audience: 'orders' } },
    internalTokens: { issuer: ISSUER, ...tokens },
    upstreams: { orders: { targets: [url] }, users: { targets: [url] } },
    routes: [
      { id: 'keys', path: '/.well-known/jwks.json', respond: 'jwks' },
      { id: 'users', path: '/users', upstream: 'users', policies: policies as never },
      { id: 'orders', path: '/*', upstream: 'orders', policies: policies as never },
    ],
  };
}

interface StartOptions {
  readonly policies?: readonly unknown[];
  readonly tokens?: object;
  readonly clock?: StubClock;
  readonly files?: Record<string, string>;
}

async function start({ policies = [EXCHANGE], tokens = {}, clock, files = {} }: StartOptions = {}) {
  const target = await startTarget();
  const config = configFor(target.url, policies, tokens);
  const gateway = await startGateway(config, { files, ...(clock && { clock }) });
  const ask = async (headers: Record<string, string>, path = '/') => {
    const { status } = await gateway.gateway.inject({ url: path, headers });
    expect(status).toBe(200);
    return target.requests.at(-1)?.headers ?? {};
  };
  return { target, gateway, config, ask };
}

async function keySetOf({ gateway }: TestGateway): Promise<JSONWebKeySet> {
  const response = await gateway.inject({ url: '/.well-known/jwks.json' });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/jwk-set+json');
  return JSON.parse(response.body.toString()) as JSONWebKeySet;
}

function tokenIn({ authorization = '' }: IncomingHttpHeaders): string {
  expect(authorization).toMatch(/^Bearer [^,]+$/);
  return authorization.slice('Bearer '.length);
}

const idsOf = ({ keys }: JSONWebKeySet) => keys.map(({ kid }) => kid);
const signedBy = (headers: IncomingHttpHeaders) => decodeProtectedHeader(tokenIn(headers)).kid;
const jtiOf = (headers: IncomingHttpHeaders) => decodeJwt(tokenIn(headers)).jti;

describe('forward: exchange', () => {
  it.each(['ES256', 'EdDSA', 'RS256'])(
    'puts a token of ours in the place of the own one: %s',
    async (algorithm) => {
      const { gateway, ask } = await start({ tokens: { algorithm } });
      const own = bearer({ roles: ['customer'], scope: 'orders:read' });
      const sent = tokenIn(await ask(own));
      const keys = createLocalJWKSet(await keySetOf(gateway));
      const expected = { issuer: ISSUER, audience: 'orders', algorithms: [algorithm] };
      const { payload, protectedHeader } = await jwtVerify(sent, keys, expected);
      expect(payload).toMatchObject({
        sub: 'ada',
        roles: ['customer'],
        permissions: ['orders:read'],
        auth_method: 'jwt',
        auth_issuer: 'https://id.example.com',
        jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
      expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(60);
      expect(protectedHeader.typ).toBe('JWT');
      expect(own.authorization).not.toContain(sent);
    },
  );

  it('names the upstream as audience, so that none can use the token of another', async () => {
    const { ask } = await start();
    const own = bearer();
    expect(decodeJwt(tokenIn(await ask(own, '/users'))).aud).toBe('users');
    expect(decodeJwt(tokenIn(await ask(own, '/'))).aud).toBe('orders');
    const { ask: askOther } = await start({ tokens: { audience: 'shop' } });
    expect(decodeJwt(tokenIn(await askOther(own, '/users'))).aud).toBe('shop');
  });

  it('takes what is needed for as long as half of it is left', async () => {
    const clock = new StubClock();
    const { ask } = await start({ clock });
    const own = bearer();
    const first = jtiOf(await ask(own));
    clock.advance(29_000);
    expect(jtiOf(await ask(own))).toBe(first);
    clock.advance(2000);
    const second = jtiOf(await ask(own));
    expect(second).not.toBe(first);
    expect(jtiOf(await ask(bearer({ sub: 'bob' })))).not.toBe(second);
  });

  it('makes one token of many requests that come at once', async () => {
    const { target, gateway } = await start();
    const headers = bearer();
    await Promise.all(Array.from({ length: 20 }, () => fetch(gateway.url, { headers })));
    expect(new Set(target.requests.map((request) => jtiOf(request.headers))).size).toBe(1);
  });

  it('gives no more time than the own token has', async () => {
    const clock = new StubClock();
    const { ask } = await start({ clock });
    const exp = Math.floor(clock.now() / 1000) + 20;
    const own = bearer({ exp });
    expect(decodeJwt(tokenIn(await ask(own))).exp).toBe(exp);
    // Within the leeway of the auth service.
    clock.advance(25_000);
    expect(decodeJwt(tokenIn(await ask(own))).exp).toBe(exp + 10);
  });

  it('takes the place of API keys and passwords, and of an unverified token beside them', async () => {
    const ada = {
      password: await hashPassword('pass', { logN: 10, blockSize: 1, parallelism: 1 }),
      roles: ['editor'],
    };
    const { gateway, ask } = await start({
      policies: [
        {
          any: [
            { jwt: { forward: 'pass' } },
            { 'api-key': { forward: 'exchange' } },
            { basic: { users: { ada }, forward: 'exchange' } },
          ],
        },
      ],
    });
    const made = await fetch(`http://${LOOPBACK}:${gateway.adminPort}/api/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ owner: 'acme', roles: ['partner'] }),
    });
    const { id, key } = (await made.json()) as { id: string; key: string };
    const byKey = await ask({ 'x-api-key': key, authorization: 'Token made-up' });
    expect(decodeJwt(tokenIn(byKey))).toMatchObject({
      auth_method: 'api-key',
      roles: ['partner'],
      key_id: id,
    });
    expect(JSON.stringify(byKey)).not.toContain(key);
    const byPassword = await ask({ authorization: `Basic ${btoa('ada:pass')}` });
    expect(decodeJwt(tokenIn(byPassword))).toMatchObject({
      sub: 'ada',
      roles: ['editor'],
      auth_method: 'basic',
    });
    const own = bearer();
    expect(await ask(own)).toMatchObject(own);
  });

  it('tells the log nothing of either token', async () => {
    const { gateway, ask } = await start();
    const own = bearer();
    const sent = tokenIn(await ask(own));
    await until(() => gateway.accessLog().length > 0);
    for (const secret of [sent, sent.split('.')[2], token().split('.')[2]])
      expect(gateway.log.text).not.toContain(secret);
  });

  it('gives a mirror no token', async () => {
    const copy = await startTarget();
    const real = await startTarget();
    const policies = [EXCHANGE, { mirror: { upstream: 'copy' } }];
    const config = configFor(real.url, policies);
    const upstreams = { ...config.upstreams, copy: { targets: [copy.url] } };
    const gateway = await startGateway({ ...config, upstreams });
    await fetch(gateway.url, { headers: bearer() });
    expect((await copy.request(0)).headers.authorization).toBeUndefined();
    tokenIn((await real.request(0)).headers);
  });
});

describe('keys of our own making', () => {
  it('are one that signs and the next one, published without what is secret', async () => {
    const { gateway, ask } = await start();
    const keySet = await keySetOf(gateway);
    expect(keySet.keys.map((key) => Object.keys(key).sort())).toEqual([
      ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'],
      ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'],
    ]);
    expect(signedBy(await ask(bearer()))).toBe(keySet.keys[0]?.kid);
  });

  it('are for nobody else to read, and the same after a restart', async () => {
    const { gateway, config } = await start();
    const folder = join(gateway.folder, 'sallyport-data');
    const files = (await readdir(folder)).filter((name) => name.startsWith('internal-token-key-es256-'));
    expect(files).toHaveLength(2);
    for (const name of files) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    const again = await startGateway({ ...config, dataDir: folder });
    expect(await keySetOf(again)).toEqual(await keySetOf(gateway));
  });

  it('follow one another: each is published before it signs and after', async () => {
    const clock = new StubClock();
    const { gateway, ask } = await start({ clock, tokens: { rotateEvery: '1h' } });
    const [first, second] = idsOf(await keySetOf(gateway));
    const own = bearer();
    expect(signedBy(await ask(own))).toBe(first);
    clock.advance(3_600_000);
    expect(signedBy(await ask(own))).toBe(second);
    await until(async () => (await keySetOf(gateway)).keys.length === 3);
    const [, , third] = idsOf(await keySetOf(gateway));
    expect(idsOf(await keySetOf(gateway))).toEqual([first, second, third]);
    clock.advance(3_600_000);
    await until(async () => !idsOf(await keySetOf(gateway)).includes(first));
    expect(signedBy(await ask(bearer({ sub: 'bob' })))).toBe(third);
    const files = async () =>
      (await readdir(join(gateway.folder, 'sallyport-data'))).filter((name) => /^internal/.test(name));
    await until(async () => (await files()).length === 3);
    clock.advance(10 * 3_600_000);
    await until(async () => (await files()).length === 2);
  });
});

describe('keys from files', () => {
  const pemOf = () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    return {
      private: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      public: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    };
  };

  it('sign, and after a change the former one is still published', async () => {
    const [former, next] = [pemOf(), pemOf()];
    const { gateway, target, ask } = await start({
      tokens: { keyFile: './a.pem' },
      files: { 'a.pem': former.private, 'a-public.pem': former.public },
    });
    const own = bearer();
    const before = signedBy(await ask(own));
    expect(idsOf(await keySetOf(gateway))).toEqual([before]);
    await writeFile(join(gateway.folder, 'b.pem'), next.private);
    for (const formerFile of ['./a.pem', './a-public.pem']) {
      await gateway.rewrite(
        configFor(target.url, [EXCHANGE], { keyFile: './b.pem', formerKeyFiles: [formerFile] }),
      );
      expect(await gateway.gateway.reload()).toMatchObject({ ok: true });
      const after = signedBy(await ask(own));
      expect(after).not.toBe(before);
      const { keys } = await keySetOf(gateway);
      expect(idsOf({ keys })).toEqual([after, before]);
      expect(JSON.stringify(keys)).not.toContain('"d"');
    }
  });
});
