import { once } from 'node:events';
import { request } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OperatorServer } from '../../src/admin/http-app.ts';
import { startAdmin } from '../../src/admin/start-admin.ts';
import { startStatus } from '../../src/admin/start-status.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { MemoryLog } from './memory-log.ts';
import { StubControl } from './stub-control.ts';

const TOKEN = 'a-token-of-the-operator';
const WITH_TOKEN = { authorization: `Bearer ${TOKEN}` };

let control: StubControl;
let log: MemoryLog;
let servers: OperatorServer[];

beforeEach(() => {
  control = new StubControl();
  log = new MemoryLog();
  servers = [];
});

afterEach(async () => {
  for (const server of servers) await server.close();
});

async function openAdmin(host = LOOPBACK, port = 0): Promise<number> {
  const server = await startAdmin({ host, port, token: TOKEN, dataDir: tmpdir() }, control, log);
  servers.push(server);
  return server.port;
}

async function openStatus(): Promise<number> {
  const server = await startStatus({ host: LOOPBACK, port: 0 }, control, log);
  servers.push(server);
  return server.port;
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

async function send(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> {
  const sent = request({ host: LOOPBACK, port, path, method, headers, agent: false });
  sent.end();
  const [response] = await once(sent, 'response');
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

describe('probes', () => {
  it.each(['/healthz', '/readyz', '/metrics'])(
    'answer at %s without a token, on both ports',
    async (path) => {
      for (const port of [await openAdmin(), await openStatus()])
        expect(await send(port, path)).toMatchObject({ status: 200 });
    },
  );

  it('give the metrics as the gateway renders them', async () => {
    const { headers, body } = await send(await openStatus(), '/metrics');
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(body).toBe('# HELP up x\n# TYPE up gauge\nup 1\n');
  });

  it.each(['starting', 'draining'] as const)('say not ready, and why, while %s, but alive', async (state) => {
    const port = await openStatus();
    control.state = state;
    control.ready = { isReady: false, details: [`The gateway is ${state}.`] };
    const { status, body } = await send(port, '/readyz');
    expect(status).toBe(503);
    expect(JSON.parse(body)).toEqual({ status: 'not ready', state, details: [`The gateway is ${state}.`] });
    expect(await send(port, '/healthz')).toMatchObject({ status: 200, body: '{"status":"alive"}' });
  });

  it('answer HEAD', async () => {
    expect(await send(await openStatus(), '/healthz', {}, 'HEAD')).toMatchObject({ status: 200, body: '' });
  });

  it('are all that the status port has', async () => {
    const port = await openStatus();
    for (const path of ['/', '/api/status', '/api/routes', '/api/reload'])
      expect(await send(port, path, WITH_TOKEN)).toMatchObject({ status: 404 });
    expect(await send(port, '/api/reload', WITH_TOKEN, 'POST')).toMatchObject({ status: 404 });
    expect(control.reloads).toBe(0);
  });

  it('answer on the status port under any name', async () => {
    expect(await send(await openStatus(), '/readyz', { host: 'gateway.monitoring.svc' })).toMatchObject({
      status: 200,
    });
  });
});

describe('the token', () => {
  it.each([
    ['GET', '/'],
    ['GET', '/api/status'],
    ['GET', '/api/routes'],
    ['GET', '/api/upstreams'],
    ['GET', '/api/quotas'],
    ['POST', '/api/reload'],
    ['GET', '/unknown'],
    ['GET', '/api'],
    ['GET', '/healthz/x'],
    ['GET', '/HEALTHZ'],
    ['POST', '/healthz'],
    ['OPTIONS', '/api/status'],
    ['HEAD', '/api/status'],
    ['TRACE', '/api/status'],
    ['PROPFIND', '/api/status'],
    ['GET', '//api/status'],
    ['GET', '/api/status/'],
    ['GET', '/%61pi/status'],
    ['GET', '/healthz/../api/status'],
    ['GET', '/healthz;/api/status'],
    ['GET', 'http://127.0.0.1/api/status'],
  ])('is needed for %s %s', async (method, path) => {
    const { status, headers } = await send(await openAdmin(), path, {}, method);
    expect(status).toBe(401);
    expect(headers['www-authenticate']).toMatch(/^Bearer/);
    expect(control.reloads).toBe(0);
  });

  it.each([
    ['a wrong one', `Bearer ${TOKEN}x`],
    ['a shorter one', `Bearer ${TOKEN.slice(0, -1)}`],
    ['an empty one', 'Bearer '],
    ['another scheme', `Basic ${Buffer.from(`admin:${TOKEN}`).toString('base64')}`],
    ['no scheme', TOKEN],
    ['two', `Bearer ${TOKEN} ${TOKEN}`],
  ])('is not %s', async (_, authorization) => {
    expect(await send(await openAdmin(), '/api/status', { authorization })).toMatchObject({ status: 401 });
  });

  it('is not taken from the query', async () => {
    const path = `/api/status?token=${TOKEN}&access_token=${TOKEN}`;
    expect(await send(await openAdmin(), path)).toMatchObject({ status: 401 });
  });

  it('opens the API, whatever the case of its scheme', async () => {
    const port = await openAdmin();
    for (const scheme of ['Bearer', 'bearer', 'BEARER'])
      expect(await send(port, '/api/status', { authorization: `${scheme} ${TOKEN}` })).toMatchObject({
        status: 200,
      });
  });

  it('leads to 404 for what is not there', async () => {
    const { status, headers, body } = await send(await openAdmin(), '/unknown', WITH_TOKEN);
    expect(status).toBe(404);
    expect(headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(body)).toEqual({ type: 'about:blank', title: 'Not Found', status: 404 });
  });

  it('may not be empty', async () => {
    const config = { host: LOOPBACK, port: 0, token: ' ', dataDir: tmpdir() };
    await expect(startAdmin(config, control, log)).rejects.toThrow(/admin\.token/);
  });

  it('is never logged', async () => {
    control.failure = new Error('broken');
    await send(await openAdmin(), '/api/reload', WITH_TOKEN, 'POST');
    expect(log.lines).toHaveLength(1);
    expect(log.lines.join()).not.toContain(TOKEN);
  });
});

describe('the host name', () => {
  it.each([
    '127.0.0.1',
    'localhost',
    'LOCALHOST:9901',
    'localhost.',
    '[::1]:9901',
    '10.1.2.3:80',
    '[fe80::1]',
  ])('may be %s', async (host) => {
    expect(await send(await openAdmin(), '/healthz', { host })).toMatchObject({ status: 200 });
  });

  it.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil.example:9901',
    '[evil]',
    'localhost@evil.example',
    '127.0.0.1:99999999',
    '2130706433',
    '127.1',
  ])('may not be %s, even with the token', async (host) => {
    const port = await openAdmin();
    for (const path of ['/healthz', '/metrics', '/api/status', '/unknown'])
      expect(await send(port, path, { ...WITH_TOKEN, host })).toMatchObject({ status: 421 });
  });

  it('may be the one that the admin listens on', async () => {
    const port = await openAdmin('localhost');
    const socket = connect(port, 'localhost');
    socket.write('GET /healthz HTTP/1.1\r\nHost: LocalHost\r\nConnection: close\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200/);
  });

  it.each(['HTTP/1.0\r\n', 'HTTP/1.1\r\nHost:\r\nConnection: close\r\n'])(
    'may not be missing: %j',
    async (head) => {
      const socket = connect(await openAdmin(), LOOPBACK);
      socket.write(`GET /healthz ${head}\r\n`);
      expect(await text(socket)).toMatch(/^HTTP\/1\.1 421/);
    },
  );
});

describe('the API', () => {
  it('tells what runs', async () => {
    const port = await openAdmin();
    const get = async (path: string) => JSON.parse((await send(port, path, WITH_TOKEN)).body);
    control.ready = { isReady: true, details: ['orders has no target.'] };
    expect(await get('/api/status')).toEqual({
      state: 'ready',
      isReady: true,
      details: ['orders has no target.'],
      configVersion: 2,
      routes: 1,
      upstreams: 1,
    });
    expect(await get('/api/routes')).toEqual({
      routes: [{ id: 'orders', path: '/orders/:id', upstreams: ['orders'] }],
    });
    expect(await get('/api/upstreams')).toEqual({
      upstreams: [
        {
          name: 'orders',
          targets: [{ target: '127.0.0.1:9001', state: 'healthy', weight: 1, activeRequests: 0 }],
        },
      ],
    });
  });

  it('reloads, and tells the version', async () => {
    const { status, body } = await send(await openAdmin(), '/api/reload', WITH_TOKEN, 'POST');
    expect([status, JSON.parse(body), control.reloads]).toEqual([200, { configVersion: 2 }, 1]);
  });

  it('does not reload by GET', async () => {
    expect(await send(await openAdmin(), '/api/reload', WITH_TOKEN)).toMatchObject({ status: 404 });
    expect(control.reloads).toBe(0);
  });

  it.each(['application/json', 'text/html'])('reloads whatever %s it is sent', async (type) => {
    const response = await fetch(`http://${LOOPBACK}:${await openAdmin()}/api/reload`, {
      method: 'POST',
      headers: { ...WITH_TOKEN, 'content-type': type },
      body: '{',
    });
    expect(response.status).toBe(200);
  });

  it('says which problems kept a reload from happening', async () => {
    control.result = { ok: false, problems: ['routes[0].path: is missing'] };
    const { status, headers, body } = await send(await openAdmin(), '/api/reload', WITH_TOKEN, 'POST');
    expect(status).toBe(422);
    expect(headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(body)).toMatchObject({ status: 422, problems: ['routes[0].path: is missing'] });
  });

  it('keeps the cause of a failure for the log', async () => {
    control.failure = new Error('secret inside');
    const { status, body } = await send(await openAdmin(), '/api/reload', WITH_TOKEN, 'POST');
    expect(status).toBe(500);
    expect(body).not.toContain('secret inside');
    expect(log.lines.join()).toContain('secret inside');
  });

  it('puts security headers on every answer', async () => {
    const port = await openAdmin();
    const answers = [
      await send(port, '/healthz'),
      await send(port, '/api/status'),
      await send(port, '/unknown', WITH_TOKEN),
      await send(port, '/healthz', { host: 'evil.example' }),
      await send(port, '/%zz', WITH_TOKEN),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 404, 421, 400]);
    for (const { headers } of answers) {
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      });
      expect(headers).not.toHaveProperty('access-control-allow-origin');
    }
  });
});

describe('listening', () => {
  it('says which setting to change when the port is taken', async () => {
    const port = await openAdmin();
    await expect(openAdmin(LOOPBACK, port)).rejects.toThrow(
      `admin cannot listen on ${LOOPBACK}:${port}: another process uses this port; stop it or set admin.port to a free one`,
    );
    await expect(startStatus({ host: LOOPBACK, port }, control, log)).rejects.toThrow(/status\.port/);
  });

  it('says which setting to change when the address is not ours', async () => {
    await expect(openAdmin('192.0.2.1')).rejects.toThrow(/set admin\.host/);
  });

  it('ends idle connections when it is closed, and frees the port', async () => {
    const server = await startAdmin(
      { host: LOOPBACK, port: 0, token: TOKEN, dataDir: tmpdir() },
      control,
      log,
    );
    const socket = connect(server.port, LOOPBACK);
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(socket, 'data');
    await Promise.all([server.close(), once(socket, 'close')]);
    const other = createServer().listen(server.port, LOOPBACK);
    await once(other, 'listening');
    expect((other.address() as AddressInfo).port).toBe(server.port);
    other.close();
  });
});
