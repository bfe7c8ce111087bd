import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { apiKey } from '../../src/policies/api-key.ts';
import { builtInPolicies } from '../../src/policies/index.ts';
import { problemsOf } from '../core/stub-exchange.ts';
import { ADMIN_TOKEN, rawRequest, startGateway, startTarget, type TestGateway } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { readResponses } from '../support/raw-responses.ts';
import { until } from '../support/until.ts';

interface Issued {
  readonly id: string;
  readonly key: string;
}

/** Asks the admin API about keys. */
async function admin(gateway: TestGateway, method: string, path: string, body?: unknown) {
  const response = await fetch(`http://${LOOPBACK}:${gateway.adminPort}/api/keys${path}`, {
    method,
    headers: {
      authorization: `Bearer ${ADMIN_TOKEN}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

async function problemOf(response: Response): Promise<Record<string, unknown>> {
  return (await response.json()) as Record<string, unknown>;
}

async function issue(gateway: TestGateway, settings: object = {}): Promise<Issued> {
  const { status, body } = await admin(gateway, 'POST', '', { owner: 'acme', ...settings });
  expect(status).toBe(201);
  return body;
}

async function start(options: object = {}, more: object = {}) {
  const target = await startTarget();
  const gateway = await startGateway({
    upstreams: { service: { targets: [target.url] } },
    routes: [
      { id: 'orders', path: '/orders', upstream: 'service', policies: [{ 'api-key': options }] },
      { id: 'stock', path: '/stock', upstream: 'service', policies: [{ 'api-key': options }] },
      { id: 'open', path: '/open', upstream: 'service' },
    ],
    ...more,
  });
  const ask = (headers: Record<string, string> = {}, path = '/orders') =>
    fetch(`${gateway.url}${path}`, { headers });
  return { target, gateway, ask };
}

describe('a request with a good key', () => {
  it('passes, without the key, however it is spelt', async () => {
    const { target, gateway, ask } = await start();
    const { key } = await issue(gateway);
    const response = await ask({ 'X-API-Key': key, x_api_key: key, 'x-api_key': key, 'x-api-keys': 'mine' });
    expect(response.status).toBe(200);
    const { headers } = await target.request(0);
    expect(JSON.stringify(headers)).not.toContain(key);
    expect(headers['x-api-keys']).toBe('mine');
  });

  it('passes by a header of another name, and then not by the usual one', async () => {
    const { gateway, ask } = await start({ header: 'x-partner-key' });
    const { key } = await issue(gateway);
    expect((await ask({ 'x-partner-key': key })).status).toBe(200);
    const refused = await ask({ 'x-api-key': key });
    expect([refused.status, (await problemOf(refused)).code]).toEqual([401, 'GW_CREDENTIALS_MISSING']);
  });

  it('is refused where the key does not open the route', async () => {
    const { gateway, ask } = await start();
    const { key } = await issue(gateway, { routes: ['stock'] });
    expect((await ask({ 'x-api-key': key }, '/stock')).status).toBe(200);
    const refused = await ask({ 'x-api-key': key }, '/orders');
    expect([refused.status, (await problemOf(refused)).code]).toEqual([403, 'GW_FORBIDDEN']);
    await until(() => gateway.accessLog().length === 2);
    expect(gateway.accessLog()[1]).toMatchObject({ reason: 'route' });
  });

  it('is refused where the key may not come from', async () => {
    const { gateway, ask } = await start();
    const { key: away } = await issue(gateway, { ips: ['192.0.2.0/24', '2001:db8::/32'] });
    const { key: here } = await issue(gateway, { ips: ['127.0.0.0/8'] });
    expect((await ask({ 'x-api-key': here })).status).toBe(200);
    const refused = await ask({ 'x-api-key': away });
    expect([refused.status, (await problemOf(refused)).code]).toEqual([403, 'GW_FORBIDDEN']);
  });
});

describe('a request without a good key', () => {
  it('is asked for one', async () => {
    const { target, ask } = await start({ realm: 'orders' });
    const response = await ask();
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('ApiKey realm="orders"');
    expect((await problemOf(response)).code).toBe('GW_CREDENTIALS_MISSING');
    expect(target.requests).toHaveLength(0);
  });

  it('gets one and the same answer whatever is wrong, while the log tells what', async () => {
    const { target, gateway, ask } = await start();
    const keys = await Promise.all(Array.from({ length: 4 }, () => issue(gateway)));
    const [disabled, expired, deleted, good] = keys as [Issued, Issued, Issued, Issued];
    await admin(gateway, 'PATCH', `/${disabled.id}`, { disabled: true });
    await admin(gateway, 'PATCH', `/${expired.id}`, { expiresAt: '2020-01-01T00:00:00Z' });
    await admin(gateway, 'DELETE', `/${deleted.id}`);
    const wrong = good.key.replace('sp_live', 'sp_test');
    const presented = [
      disabled.key,
      expired.key,
      deleted.key,
      wrong,
      'nonsense',
      '',
      `${good.key}, ${good.key}`,
    ];
    const answers = [];
    for (const key of presented) {
      const response = await ask({ 'x-api-key': key });
      const { requestId, ...problem } = await problemOf(response);
      const headers = Object.fromEntries(response.headers);
      answers.push(JSON.stringify({ status: response.status, problem, headers: { ...headers, date: '' } }));
    }
    expect(new Set(answers).size).toBe(1);
    expect(JSON.parse(answers[0] as string)).toMatchObject({
      status: 401,
      problem: { code: 'GW_CREDENTIALS_INVALID' },
      headers: { 'www-authenticate': 'ApiKey realm="api"' },
    });
    expect(target.requests).toHaveLength(0);
    await until(() => gateway.accessLog().length === presented.length);
    expect(gateway.accessLog().map(({ reason }) => reason)).toEqual([
      'disabled',
      'expired',
      'unknown',
      'malformed',
      'malformed',
      'malformed',
      'duplicate',
    ]);
    const { text } = await gateway.gateway.metrics();
    expect(text).toMatch(/gateway_authentication_failures_total\{policy="api-key",reason="disabled"\} 1/);
    for (const { key } of keys) {
      expect(gateway.log.text).not.toContain(key);
      expect(text).not.toContain(key);
    }
  });

  it('is refused when the header comes twice, even with two good keys', async () => {
    const { gateway } = await start();
    const { key } = await issue(gateway);
    const head = `GET /orders HTTP/1.1\r\nHost: a\r\nX-Api-Key: ${key}\r\n`;
    const twice = await rawRequest(gateway.port, `${head}x-api-key: ${key}\r\nConnection: close\r\n\r\n`);
    const emptyFirst = await rawRequest(gateway.port, `${head}x-api-key:\r\nConnection: close\r\n\r\n`);
    expect([twice, emptyFirst].map((answer) => readResponses(answer)[0]?.status)).toEqual([401, 401]);
  });

  it('is not let in by the query', async () => {
    const { gateway, ask } = await start();
    const { key } = await issue(gateway);
    expect((await ask({}, `/orders?x-api-key=${key}&api_key=${key}`)).status).toBe(401);
  });

  it("passes as nobody's where a key is optional, but never with a bad one", async () => {
    const { target, gateway, ask } = await start({ optional: true });
    const { key } = await issue(gateway);
    expect((await ask()).status).toBe(200);
    expect((await ask({ x_api_key: key })).status).toBe(200);
    expect((await target.request(1)).headers).not.toHaveProperty('x_api_key');
    expect((await ask({ 'x-api-key': key.slice(0, -1) })).status).toBe(401);
  });
});

describe('what a configuration may say of keys', () => {
  it.each([
    ['authorization', 'other kind of credential'],
    ['cookie', 'other kind of credential'],
    ['x-auth-key', 'x-auth'],
    ['host', 'host'],
    ['a b', 'no name'],
  ])('is not that they come in %j (%s)', (header) => {
    expect(problemsOf(apiKey, { header })).not.toEqual([]);
  });

  it('is not a realm that breaks out of its quotes', () => {
    expect(problemsOf(apiKey, { realm: 'a", Basic realm="b' })).not.toEqual([]);
  });

  it('is all about them that can be left out', () => {
    expect(builtInPolicies).toContain(apiKey);
    expect(problemsOf(apiKey, {})).toEqual([]);
  });
});

describe('the store of the keys', () => {
  it('is not there before a route asks for keys', async () => {
    const target = await startTarget();
    const dataDir = './not-a-folder';
    const routes = [{ id: 'open', path: '/open', upstream: 'service' }];
    const upstreams = { service: { targets: [target.url] } };
    const files = { 'not-a-folder': '' };
    const gateway = await startGateway({ upstreams, routes, dataDir }, { files });
    expect((await fetch(`${gateway.url}/open`)).status).toBe(200);
  });

  it('stops the start where it cannot be opened, and says what to do', async () => {
    const routes = [{ id: 'a', path: '/a', respond: {}, policies: ['api-key' as const] }];
    const files = { 'not-a-folder': '' };
    await expect(startGateway({ routes, dataDir: './not-a-folder' }, { files })).rejects.toThrow(/dataDir/);
  });

  it('that is damaged stops the start, and a reload changes nothing', async () => {
    const config = { routes: [{ id: 'a', path: '/a', respond: {} }] };
    const gateway = await startGateway({ ...config, dataDir: './data' });
    mkdirSync(join(gateway.folder, 'data'), { recursive: true });
    writeFileSync(join(gateway.folder, 'data/api-keys.db'), 'x'.repeat(5000));
    const routes = [{ id: 'a', path: '/a', respond: {}, policies: ['api-key' as const] }];
    await gateway.rewrite({ routes, dataDir: './data' });
    expect(await gateway.gateway.reload()).toEqual({
      ok: false,
      problems: [expect.stringMatching(/api-keys\.db cannot be opened/)],
    });
    expect((await fetch(`${gateway.url}/a`)).status).toBe(200);
  });

  it('keeps keys over a restart', async () => {
    const { gateway } = await start();
    const { key } = await issue(gateway);
    const dataDir = join(gateway.folder, 'sallyport-data');
    const again = await start({}, { dataDir });
    expect((await again.ask({ 'x-api-key': key })).status).toBe(200);
  });
});
