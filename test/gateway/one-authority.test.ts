import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SECRET, signRequest } from '../policies/sign-request.ts';
import { rawRequest, startGateway, startTarget, type TestConfig } from '../support/harness.ts';

type Headers = Readonly<Record<string, string>>;

const LISTED = ['127.0.0.1'];
const WRITES_HOST = {
  addresses: LISTED,
  writes: ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-real-ip'],
};

/** A gateway with a route for each host, in front of which a service decides by the host that it is told. */
async function setUp(trustedProxies: NonNullable<TestConfig['trustedProxies']>, config: TestConfig = {}) {
  const service = await startTarget((request, response) => {
    response.writeHead(request.headers['x-forwarded-host']?.includes('shop') ? 204 : 403).end();
  });
  const target = await startTarget((_, response) => response.end('x'));
  const gateway = await startGateway({
    trustedProxies,
    upstreams: { service: { targets: [target.url] } },
    policies: [{ 'forward-auth': { url: service.url, requestHeaders: [] } }],
    routes: [
      { id: 'admin', hosts: ['admin.example.com'], path: '/*', upstream: 'service' },
      { id: 'shop', hosts: ['shop.example.com'], path: '/*', upstream: 'service' },
    ],
    ...config,
  });
  const ask = async (headers: Headers, url = '/') => {
    const { status, headers: answered } = await gateway.gateway.inject({ url, headers });
    const route = gateway.accessLog().at(-1)?.route;
    const seen = answered.get('x-seen-hosts');
    return { status, route, seen, location: answered.get('location'), told: toldBy(target.requests.at(-1)) };
  };
  return { gateway, service, target, ask };
}

const toldBy = (request: IncomingMessage | undefined) =>
  request && { host: request.headers.host, forwarded: request.headers['x-forwarded-host'] };

describe('what a proxy only passes on', () => {
  const claims: readonly Headers[] = [
    { 'x-forwarded-host': 'shop.example.com' },
    { 'x-forwarded-host': 'admin.example.com, shop.example.com' },
    { forwarded: 'host=shop.example.com' },
    { 'x-forwarded-server': 'shop.example.com' },
    { 'x-original-host': 'shop.example.com' },
    { 'x-host': 'shop.example.com', 'x-http-host-override': 'shop.example.com' },
    { 'x-forwarded-prefix': '/shop' },
  ];

  it.each(claims)('%j is not the host that a service judges', async (claim) => {
    const { service, target, ask } = await setUp(LISTED);
    expect(await ask({ host: 'admin.example.com', ...claim })).toMatchObject({
      status: 403,
      route: 'admin',
    });
    expect(JSON.stringify(service.requests[0]?.headers)).not.toContain('shop');
    expect(target.requests).toEqual([]);
  });

  it.each(claims)('%j reaches no service', async (claim) => {
    const { target, ask } = await setUp(LISTED, { policies: [] });
    expect(await ask({ host: 'admin.example.com', ...claim })).toMatchObject({
      status: 200,
      told: { host: 'admin.example.com', forwarded: 'admin.example.com' },
    });
    expect(JSON.stringify(target.requests[0]?.headers)).not.toContain('shop');
  });

  it('is not a part of `Location`', async () => {
    const { ask } = await setUp(LISTED, {
      policies: [],
      routes: [{ id: 'old', path: '/', redirect: { path: '/new' } }],
    });
    const { location } = await ask({ host: 'admin.example.com', 'x-forwarded-host': 'evil.example' });
    expect(location).toBe('http://admin.example.com/new');
  });

  it('is not a part of where HTTPS is', async () => {
    const { gateway } = await setUp(LISTED, { policies: [], listeners: [{ port: 0, redirectToHttps: 443 }] });
    const answer = await rawRequest(
      gateway.port,
      'GET /a HTTP/1.1\r\nHost: admin.example.com\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n',
    );
    expect(answer).toContain('location: https://admin.example.com/a\r\n');
  });

  it('is not what a signature covers', async () => {
    const { ask, target } = await setUp(LISTED, {
      policies: [{ signature: { keys: { partner: { secret: SECRET } } } }],
    } as TestConfig);
    const signed = signRequest({ url: 'http://shop.example.com/' });
    expect((await ask({ host: 'shop.example.com', ...signed })).status).toBe(200);
    const moved = { host: 'admin.example.com', 'x-forwarded-host': 'shop.example.com', ...signed };
    expect((await ask(moved)).status).toBe(401);
    expect(target.requests).toHaveLength(1);
  });
});

describe('what a proxy is said to write', () => {
  const claim = { host: 'internal.lan:8080', 'x-forwarded-host': 'Shop.example.com' };

  it('is the host of the route, of what is judged and of what is sent', async () => {
    const { service, ask } = await setUp(WRITES_HOST);
    expect(await ask(claim)).toEqual({
      status: 200,
      route: 'shop',
      location: undefined,
      seen: undefined,
      told: { host: 'shop.example.com', forwarded: 'shop.example.com' },
    });
    expect(service.requests[0]?.headers['x-forwarded-host']).toBe('shop.example.com');
    expect(await ask({ ...claim, 'x-forwarded-host': 'admin.example.com' })).toMatchObject({
      status: 403,
      route: 'admin',
    });
  });

  it('is the host of every attempt', async () => {
    const hosts: unknown[] = [];
    const target = await startTarget((request, response) => {
      hosts.push(request.headers.host);
      response.writeHead(hosts.length === 1 ? 503 : 200).end();
    });
    const { ask } = await setUp(WRITES_HOST, {
      policies: [],
      upstreams: { service: { targets: [target.url], retries: { on: [503] } } },
    });
    expect((await ask(claim)).status).toBe(200);
    expect(hosts).toEqual(['shop.example.com', 'shop.example.com']);
  });

  it('is what routes and policies see wherever a host is named', async () => {
    const { ask } = await setUp(WRITES_HOST, {
      policies: ['test/seen'],
      customPolicies: { 'test/seen': join(import.meta.dirname, 'fixtures/seen-fields-policy.ts') },
      routes: [{ id: 'one', path: '/*', headers: { host: 'shop.example.com' }, respond: { status: 204 } }],
    });
    expect(await ask(claim)).toMatchObject({
      route: 'one',
      seen: 'shop.example.com shop.example.com shop.example.com',
    });
  });

  it('is nobody’s word where the peer is not that proxy', async () => {
    const { ask } = await setUp({ ...WRITES_HOST, addresses: ['192.0.2.0/24'] });
    expect((await ask({ host: 'admin.example.com', 'x-forwarded-host': 'shop.example.com' })).status).toBe(
      403,
    );
  });

  it('leaves `Host` where it says nothing valid', async () => {
    const { ask } = await setUp(WRITES_HOST);
    for (const host of ['', 'a b', 'shop.example.com/x', 'x@shop.example.com'])
      expect(await ask({ host: 'admin.example.com', 'x-forwarded-host': host })).toMatchObject({
        route: 'admin',
        status: 403,
      });
  });

  it('says who the client is by another field than `X-Forwarded-For` where only that is written', async () => {
    const { gateway, target, ask } = await setUp(
      { addresses: LISTED, writes: ['x-real-ip'] },
      { policies: [] },
    );
    await ask({ host: 'shop.example.com', 'x-real-ip': '192.0.2.7', 'x-forwarded-for': '192.0.2.8' });
    expect(gateway.accessLog().at(-1)?.client).toBe('192.0.2.7');
    expect(target.requests[0]?.headers).toMatchObject({
      'x-forwarded-for': '192.0.2.7, 127.0.0.1',
      'x-real-ip': '192.0.2.7',
    });
    await ask({ host: 'shop.example.com', 'x-real-ip': 'unknown' });
    expect(gateway.accessLog().at(-1)?.client).toBe('127.0.0.1');
  });
});

it('of an absolute-form target no route, policy or service sees the `Host` beside it', async () => {
  const { gateway, target } = await setUp([], {
    policies: [],
    routes: [
      { id: 'field', path: '/*', headers: { host: 'shop.example.com' }, upstream: 'service' },
      { id: 'rest', path: '/*', upstream: 'service' },
    ],
  });
  const head =
    'GET http://admin.example.com/ HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n';
  await rawRequest(gateway.port, head);
  expect(gateway.accessLog()).toMatchObject([{ route: 'rest', host: 'admin.example.com' }]);
  expect(target.requests.map(toldBy)).toEqual([
    { host: 'admin.example.com', forwarded: 'admin.example.com' },
  ]);
});
