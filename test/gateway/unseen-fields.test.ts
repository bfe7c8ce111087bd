import { describe, expect, it } from 'vitest';
import { startGateway, startTarget, type TestConfig } from '../support/harness.ts';

/** A header field of the client's own making that it may not send, and that decides somewhere below. */
const CLAIMS = [
  ['x-forwarded-for', '10.0.0.1'],
  ['x-forwarded-proto', 'https'],
  ['x-forwarded-host', 'internal.example'],
  ['x-forwarded-port', '8443'],
  ['forwarded', 'for=10.0.0.1'],
  ['x-real-ip', '10.0.0.1'],
  ['true-client-ip', '10.0.0.1'],
  ['x-forwarded-user', 'root'],
  ['x-ssl-client-verify', 'SUCCESS'],
  ['x-original-url', '/admin'],
] as const;

async function setUp(config: TestConfig) {
  const [target, copy] = [await startTarget(), await startTarget()];
  const gateway = await startGateway({
    upstreams: { service: { targets: [target.url] }, copy: { targets: [copy.url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    ...config,
  });
  const ask = async (headers: Readonly<Record<string, string>>, remoteAddress = '192.0.2.9') =>
    (await gateway.gateway.inject({ url: '/a', headers, remoteAddress })).status;
  return { gateway, target, copy, ask };
}

describe.each(CLAIMS)('%s of an untrusted peer', (name, value) => {
  it('chooses no route', async () => {
    const { gateway, ask } = await setUp({
      routes: [
        { id: 'inside', path: '/*', headers: { [name]: value }, upstream: 'service' },
        { id: 'outside', path: '/*', upstream: 'service' },
      ],
    });
    await ask({ [name]: value });
    expect(gateway.accessLog()).toMatchObject([{ route: 'outside' }]);
  });

  it('is nothing to an expression', async () => {
    const service = await startTarget((_, response) =>
      response.writeHead(204, { 'remote-user': 'ada' }).end(),
    );
    const identity = { subject: 'remote-user' };
    const { ask, target } = await setUp({
      policies: [
        { 'forward-auth': { url: service.url, requestHeaders: [], identity } },
        { authorize: { when: `request.headers["${name}"] == "${value}"` } },
      ],
    });
    expect(await ask({ [name]: value })).toBe(403);
    expect(target.requests).toEqual([]);
  });

  it('is not a key of a limit', async () => {
    const { ask } = await setUp({
      policies: [{ 'rate-limit': { limit: 1, window: '1h', key: `header:${name}` } }],
    });
    expect(await ask({ [name]: value })).toBe(200);
    expect(await ask({ [name]: `${value}, 2` })).toBe(429);
    expect(await ask({ [name]: value }, '192.0.2.10')).toBe(200);
  });

  it('is in no copy', async () => {
    const { copy, target, ask } = await setUp({ policies: [{ mirror: { upstream: 'copy' } }] });
    expect(await ask({ [name]: value, 'x-kept': '1' })).toBe(200);
    const sent = (await copy.request(0)).headers;
    expect(sent['x-kept']).toBe('1');
    expect(sent[name]).not.toBe(value);
    expect(sent[name]).toBe(target.requests[0]?.headers[name]);
  });

  it('is asked of no authorization service', async () => {
    const service = await startTarget((_, response) => response.writeHead(204).end());
    const owned = /^(?:x-forwarded-(?:for|proto|host|port)|forwarded)$/.test(name);
    const requestHeaders = owned ? [] : [name];
    const { ask } = await setUp({ policies: [{ 'forward-auth': { url: service.url, requestHeaders } }] });
    expect(await ask({ [name]: value })).toBe(200);
    expect(service.requests[0]?.headers[name]).not.toBe(value);
  });
});

it('a condition on what a trusted proxy writes goes by what is sent', async () => {
  const { gateway, target, ask } = await setUp({
    trustedProxies: ['192.0.2.9'],
    routes: [
      { id: 'secure', path: '/*', headers: { 'x-forwarded-proto': 'https' }, upstream: 'service' },
      { id: 'plain', path: '/*', upstream: 'service' },
    ],
  });
  for (const proto of ['https', 'WSS', 'http, https', 'https, http', 'ftp'])
    await ask({ 'x-forwarded-proto': proto });
  expect(gateway.accessLog().map(({ route }) => route)).toEqual([
    'secure',
    'secure',
    'secure',
    'plain',
    'plain',
  ]);
  expect(target.requests.map(({ headers }) => headers['x-forwarded-proto'])).toEqual([
    'https',
    'https',
    'https',
    'http',
    'http',
  ]);
});

it('what a client names in `Connection` takes nothing away that decides', async () => {
  const { target, ask } = await setUp({
    trustedProxies: { addresses: ['192.0.2.9'], writes: ['x-forwarded-for', 'x-ssl-client-verify'] },
  });
  const fields = {
    'x-ssl-client-verify': 'NONE',
    origin: 'https://evil.example',
    'sec-fetch-site': 'cross-site',
  };
  await ask({
    ...fields,
    connection: 'X-SSL-Client-Verify, Origin, Sec-Fetch-Site, X-Other',
    'x-other': '1',
  });
  expect(target.requests[0]?.headers).toMatchObject(fields);
  expect(target.requests[0]?.headers['x-other']).toBeUndefined();
});
