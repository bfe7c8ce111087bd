import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import {
  startGateway,
  startRawTarget,
  startTarget,
  type TestConfig,
  type TestGateway,
} from '../support/harness.ts';
import { reserveNobody } from '../support/loopback.ts';
import { until } from '../support/until.ts';
import { metricsOf } from '../upstream/gateway-metrics.ts';

const SECRET = 'a-secret-of-thirty-two-bytes-or-more';
const FORGED = 'x\r\n{"level":50,"msg":"forged"}\u001b[31m';

/** A way in that names who stands in a header, as a token would. */
/** By its place, since a file of a test lies where no package is found by name. */
const moduleUrl = (file: string): string => new URL(file, import.meta.url).href;

const WAY_IN = `
import { defineIdentifyingPolicy } from '${moduleUrl('../../src/core/identity/identify.ts')}';
import { z } from '${moduleUrl('../../node_modules/zod/index.js')}';
export const way = defineIdentifyingPolicy({
  name: 'test/way', summary: 'x', options: z.strictObject({}),
  createIdentifier: () => ({
    challenge: 'Test', isOptional: true, dropCredential() {},
    identify({ headers }) {
      const who = headers.get('x-who');
      return who === undefined ? undefined : { permissions: [], ...JSON.parse(decodeURIComponent(who)) };
    },
  }),
});`;

function start(config: TestConfig, options: Parameters<typeof startGateway>[1] = {}): Promise<TestGateway> {
  return startGateway(config, options);
}

const identified = (more: Partial<TestConfig> = {}): TestConfig => ({
  customPolicies: { 'test/way': './way.mjs' },
  routes: [{ id: 'all', path: '/*', respond: {}, policies: ['test/way'] }],
  ...more,
});

const as = (who: object) => ({
  'x-who': encodeURIComponent(JSON.stringify({ roles: [], claims: {}, ...who })),
});

async function ask({ url }: TestGateway, path = '/', init: RequestInit = {}): Promise<number> {
  const response = await fetch(`${url}${path}`, init);
  await response.arrayBuffer();
  return response.status;
}

describe('the access log and metrics', () => {
  it('say who called: subject, key, plan, method, and the claim that was asked for', async () => {
    const logs = { accessLog: { fields: ['claim:tenant', 'claim:org.id', 'roles'] } };
    const gateway = await start(identified({ logs }), { files: { 'way.mjs': WAY_IN } });
    const who = { subject: 'ada', keyId: 'k1', plan: 'gold', roles: ['a', 'b'] };
    await ask(gateway, '/', { headers: as({ ...who, claims: { tenant: 'acme', org: { id: 7 } } }) });
    await ask(gateway);
    await until(() => gateway.accessLog().length === 2);
    const [known, unknown] = gateway.accessLog();
    expect(known).toMatchObject({
      ...{ subject: 'ada', keyId: 'k1', plan: 'gold', authMethod: 'test/way' },
      ...{ 'claim:tenant': 'acme', 'claim:org.id': '7', roles: 'a b' },
    });
    for (const name of ['subject', 'keyId', 'plan', 'authMethod', 'claim:tenant', 'roles'])
      expect(unknown).not.toHaveProperty(name);
    expect(await metricsOf(gateway.adminPort)).toContain(
      'gateway_caller_requests_total{plan="gold",key_id="k1",auth_method="test/way",status="2xx"} 1',
    );
  });

  it('name no more keys and plans than there is room for, and count the others together', async () => {
    const gateway = await start(identified({ accessLog: false }), { files: { 'way.mjs': WAY_IN } });
    for (let i = 0; i < 103; i++)
      await ask(gateway, '/', { headers: as({ subject: 's', plan: `plan-${i}` }) });
    const text = await metricsOf(gateway.adminPort);
    expect(text.match(/^gateway_caller_requests_total/gm)).toHaveLength(101);
    expect(text).toMatch(/gateway_caller_requests_total\{.*plan="other".*\} 3/);
  });

  it('say which attempt answered of how many, and why one failed', async () => {
    const [nobody, target] = [await reserveNobody(), await startTarget()];
    const gateway = await start({
      upstreams: {
        service: { targets: [nobody.url, target.url], retries: { max: 1, on: ['connect-error'] } },
        none: { targets: [nobody.url] },
      },
      routes: [
        { id: 'none', path: '/none', upstream: 'none' },
        { id: 'all', path: '/*', upstream: 'service' },
      ],
    });
    await ask(gateway, '/1');
    await ask(gateway, '/2');
    expect(await ask(gateway, '/none')).toBe(503);
    await until(() => gateway.accessLog().length === 3);
    const lines = gateway.accessLog();
    const repeated = lines.filter(({ attempts }) => attempts !== undefined);
    expect(repeated.length).toBeGreaterThan(0);
    for (const line of repeated) expect(line).toMatchObject({ attempt: 2, attempts: 2 });
    expect(await metricsOf(gateway.adminPort)).toMatch(
      /gateway_failures_total\{route="none",code="GW_UPSTREAM_UNREACHABLE",reason=""\} 1/,
    );
  });

  it('say what it cost: bytes both ways, time in policies, waiting, and at the target', async () => {
    const target = await startTarget((request, response) => {
      request.resume().on('end', () => response.end('answer'));
    });
    const gateway = await start({
      upstreams: { service: { targets: [target.url] } },
      routes: [{ id: 'all', path: '/*', upstream: 'service', policies: ['request-id'] }],
    });
    await ask(gateway, '/', { method: 'POST', body: 'x'.repeat(1000) });
    await until(() => gateway.accessLog().length === 1);
    expect(gateway.accessLog()[0]).toMatchObject({
      ...{ bytes: 6, bytesIn: 1000, policiesMs: expect.any(Number), upstreamMs: expect.any(Number) },
      // The first request opens the connection.
      queueMs: expect.any(Number),
    });
    const text = await metricsOf(gateway.adminPort);
    expect(text).toContain('gateway_body_bytes_total{route="all",direction="received"} 1000');
    expect(text).toContain('gateway_body_bytes_total{route="all",direction="sent"} 6');
    for (const phase of ['policies', 'queue', 'upstream'])
      expect(text).toMatch(new RegExp(`gateway_phase_seconds_total\\{route="all",phase="${phase}"\\} \\d`));
  });

  it('count both ways of a WebSocket', async () => {
    const server = createServer();
    const target = await startTarget();
    new WebSocketServer({ server: target.server }).on('connection', (socket) => {
      socket.on('message', (message) => socket.send(`${message} back`));
    });
    server.close();
    const gateway = await start({
      upstreams: { service: { targets: [target.url] } },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    const socket = new WebSocket(gateway.url.replace('http', 'ws'));
    await new Promise((resolve) => socket.once('open', resolve));
    const answered = new Promise((resolve) => socket.once('message', resolve));
    socket.send('hello');
    await answered;
    socket.close();
    await until(() => gateway.accessLog().length === 1);
    const [line] = gateway.accessLog() as { bytes: number; bytesIn: number }[];
    expect(line?.bytesIn).toBeGreaterThanOrEqual('hello'.length);
    expect(line?.bytes).toBeGreaterThanOrEqual('hello back'.length);
  });

  it('write no secret, nothing that forges a line, and not too much of what callers chose', async () => {
    const fields = ['userAgent', 'referer', 'header:x-trace', 'claim:tenant'];
    const gateway = await start(identified({ logs: { accessLog: { fields } } }), {
      files: { 'way.mjs': WAY_IN },
    });
    const token = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl';
    await ask(gateway, '/', {
      headers: {
        ...as({ subject: FORGED, plan: token, claims: { tenant: `${'t'.repeat(3000)}` } }),
        'user-agent': `Bearer ${SECRET}`,
        referer: `https://a.example/?access_token=${SECRET}`,
        'x-trace': `{"password":"${SECRET}"}`,
      },
    });
    await until(() => gateway.accessLog().length === 1);
    expect(gateway.log.text).not.toMatch(/thirty-two|c2lnbmF0dXJl/);
    expect(gateway.log.lines().filter(({ msg }) => msg === 'forged')).toEqual([]);
    const [line] = gateway.accessLog();
    expect(line).toMatchObject({ subject: FORGED, plan: '[redacted]', userAgent: 'Bearer [redacted]' });
    expect(line?.['claim:tenant']).toHaveLength(257);
  });
});

describe('the fields of a line', () => {
  it('are chosen, more and less, and a reload changes them', async () => {
    const routes = [{ id: 'all', path: '/*', respond: {} }];
    const gateway = await start({
      routes,
      logs: { accessLog: { fields: ['userAgent', 'scheme', 'peer'], omit: ['client', 'query', 'host'] } },
    });
    await ask(gateway, '/?a=1', { headers: { 'user-agent': 'tester' } });
    await until(() => gateway.accessLog().length === 1);
    expect(gateway.accessLog()[0]).toMatchObject({ userAgent: 'tester', scheme: 'http', peer: '127.0.0.1' });
    for (const name of ['client', 'query', 'host']) expect(gateway.accessLog()[0]).not.toHaveProperty(name);
    await gateway.rewrite({ routes });
    await gateway.gateway.reload();
    await ask(gateway);
    await until(() => gateway.accessLog().length === 2);
    expect(gateway.accessLog()[1]).toHaveProperty('client');
    expect(gateway.accessLog()[1]).not.toHaveProperty('userAgent');
  });

  it('may be few lines: a share of the successes, and all failures', async () => {
    const gateway = await start({
      routes: [
        { id: 'bad', path: '/bad', respond: { status: 404 } },
        { id: 'good', path: '/good', respond: {} },
      ],
      logs: { accessLog: { sample: '0%' } },
    });
    for (const path of ['/good', '/bad', '/none', '/good']) await ask(gateway, path);
    await until(() => gateway.accessLog().length === 2);
    expect(gateway.accessLog().map(({ route }) => route)).toEqual(['bad', '_unmatched']);
  });
});

describe('levels', () => {
  const down = async (logs: TestConfig['logs']) => {
    const hung = await startRawTarget((socket) => socket.destroy());
    return {
      upstreams: {
        service: { targets: [hung.url], health: { passive: { failures: 1, maxEjected: '100%' } } },
      },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
      logs,
    } satisfies TestConfig;
  };
  const areas = ({ log }: TestGateway) => new Set(log.lines().map(({ area }) => area));

  it('are those of each part, which its lines name', async () => {
    const gateway = await start(await down({ level: 'warn', levels: { access: 'silent' } }));
    await ask(gateway);
    await until(() => areas(gateway).has('upstream'));
    expect(gateway.accessLog()).toEqual([]);
    expect(gateway.log.lines().every(({ level }) => Number(level) >= 40)).toBe(true);
  });

  it('change with a reload', async () => {
    const config = await down({ level: 'silent' });
    const gateway = await start(config);
    await ask(gateway);
    await gateway.rewrite({ ...config, logs: { level: 'silent', levels: { access: 'info' } } });
    await gateway.gateway.reload();
    await ask(gateway);
    await until(() => gateway.accessLog().length === 1);
    expect(gateway.log.lines()).toHaveLength(1);
  });
});
