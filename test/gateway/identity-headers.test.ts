import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createSecretSigner, signToken } from '../auth/test-tokens.ts';
import { startGateway, startTarget, type TestConfig } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { app as orders } from './fixtures/headers-app.ts';

const SECRET = 'a secret of the gateway and its issuer, 42';
const signer = createSecretSigner(SECRET);
const authServices = { main: { secret: SECRET, audience: 'orders-api' } };

function token(claims: Record<string, unknown> = {}): string {
  const exp = Math.floor(Date.now() / 1000) + 600;
  return signToken(signer, { aud: 'orders-api', sub: 'ada', exp, ...claims });
}

function bearer(claims: Record<string, unknown> = {}): { authorization: string } {
  return { authorization: `Bearer ${token(claims)}` };
}

async function start(policies: readonly unknown[] = ['jwt'], more: Partial<TestConfig> = {}) {
  const target = await startTarget();
  const gateway = await startGateway({
    authServices,
    upstreams: { service: { targets: [target.url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service', policies: policies as never }],
    ...more,
  });
  return { target, gateway };
}

/** What a target is told about who is calling. */
function told(headers: IncomingHttpHeaders): string[] {
  return Object.entries(headers)
    .filter(([name]) => /^x[-_]auth/i.test(name))
    .map(([name, value]) => `${name}: ${value}`);
}

async function toldOf(claims: Record<string, unknown>): Promise<string[]> {
  const { target, gateway } = await start();
  expect((await fetch(gateway.url, { headers: bearer(claims) })).status).toBe(200);
  return told((await target.request(0)).headers);
}

describe('what a target is told about the caller', () => {
  it('is the subject, the roles and the permissions', async () => {
    expect(await toldOf({ roles: ['customer', 'admin'], scope: 'orders:read orders:write' })).toEqual([
      'x-auth-subject: ada',
      'x-auth-roles: customer,admin',
      'x-auth-permissions: orders:read,orders:write',
    ]);
  });

  it('is not a list where there is nothing in it', async () => {
    expect(await toldOf({ roles: [''] })).toEqual(['x-auth-subject: ada']);
  });

  it('is nothing for a caller whom nobody identified', async () => {
    const { target, gateway } = await start([{ jwt: { optional: true } }]);
    await fetch(gateway.url, { headers: { 'x-auth-subject': 'root', 'x-auth-roles': 'admin' } });
    expect(told((await target.request(0)).headers)).toEqual([]);
  });

  it('is each time the same for the same token, and never that of another', async () => {
    const { target, gateway } = await start();
    const [ada, bob] = [bearer({ roles: ['admin'] }), bearer({ sub: 'bob' })];
    for (const headers of [ada, bob, ada, bob]) await fetch(gateway.url, { headers });
    expect(target.requests.map(({ headers }) => told(headers))).toEqual([
      ['x-auth-subject: ada', 'x-auth-roles: admin'],
      ['x-auth-subject: bob'],
      ['x-auth-subject: ada', 'x-auth-roles: admin'],
      ['x-auth-subject: bob'],
    ]);
  });

  it.each([
    ['a comma, which would make two of it', 'customer,admin', 'customer%2Cadmin'],
    [
      'a line feed, which would begin another field',
      'a\r\nx-auth-roles: admin',
      'a%0D%0Ax-auth-roles:%20admin',
    ],
    ['letters beyond ASCII, which are read in several ways', 'Café 北京', 'Caf%C3%A9%20%E5%8C%97%E4%BA%AC'],
    ['a sign of a pair alone', 'a\ud800b', 'a%EF%BF%BDb'],
    ['percent signs, which would read like ours', '%2Cadmin', '%252Cadmin'],
    ['quotes, in which commas mean nothing', '"a', '%22a'],
    ['spaces at its ends, which fields do not have', ' admin ', '%20admin%20'],
    ['a NUL', 'admin\0', 'admin%00'],
    ['a full-width letter', 'ａdmin', '%EF%BD%81dmin'],
  ])('keeps %s within one value', async (_, text, expected) => {
    expect(await toldOf({ sub: text, roles: [text, 'last'], permissions: [text] })).toEqual([
      `x-auth-subject: ${expected}`,
      `x-auth-roles: ${expected},last`,
      `x-auth-permissions: ${expected}`,
    ]);
    expect(decodeURIComponent(expected)).toBe(text.toWellFormed());
  });

  it('reaches apps in the process of the gateway', async () => {
    const app = new URL('./fixtures/headers-app.ts', import.meta.url).pathname;
    const { gateway } = await start(['jwt'], { upstreams: { service: { app } } });
    const headers = { ...bearer({ roles: ['admin'] }), 'x-auth-permissions': 'all', x_auth_roles: 'root' };
    expect((await fetch(gateway.url, { headers })).status).toBe(200);
    expect(told(orders.lastHeaders)).toEqual(['x-auth-subject: ada', 'x-auth-roles: admin']);
  });

  it('reaches the target of a WebSocket', async () => {
    const { target, gateway } = await start();
    const server = new WebSocketServer({ server: target.server });
    const upgraded = once(server, 'connection');
    const headers = { ...bearer({ roles: ['admin'] }), 'X-Auth-Roles': 'root', X_Auth_Permissions: 'all' };
    const socket = new WebSocket(`ws://${LOOPBACK}:${gateway.port}/`, { headers });
    onTestFinished(() => socket.terminate());
    const [[served, request]] = await Promise.all([upgraded, once(socket, 'open')]);
    onTestFinished(() => served.terminate());
    expect(told(request.headers)).toEqual(['x-auth-subject: ada', 'x-auth-roles: admin']);
  });

  it('does not come from a policy that writes these fields itself', async () => {
    const policy = new URL('./fixtures/forging-policy.ts', import.meta.url).pathname;
    const { target, gateway } = await start(['jwt', 'test/forging'], {
      customPolicies: { 'test/forging': policy },
    });
    await fetch(gateway.url, { headers: bearer() });
    expect(told((await target.request(0)).headers)).toEqual(['x-auth-tenant: acme', 'x-auth-subject: ada']);
  });
});

describe('a copy for another upstream', () => {
  async function copied(mirror: object, headers: Record<string, string>, jwt: object = {}) {
    const copy = await startTarget();
    const real = await startTarget();
    const { gateway } = await start([{ jwt }, { mirror: { upstream: 'copy', ...mirror } }], {
      upstreams: { service: { targets: [real.url] }, copy: { targets: [copy.url] } },
    });
    expect((await fetch(gateway.url, { headers })).status).toBe(200);
    return { real: (await real.request(0)).headers, copy: (await copy.request(0)).headers };
  }

  it('says nothing about the caller, and carries no credential', async () => {
    const headers = await copied({}, { ...bearer({ roles: ['admin'] }), cookie: 'a=b', 'x-api-key': 'k' });
    expect(told(headers.real)).toEqual(['x-auth-subject: ada', 'x-auth-roles: admin']);
    expect(told(headers.copy)).toEqual([]);
    expect(headers.copy).not.toHaveProperty('authorization');
    expect(headers.copy).not.toHaveProperty('cookie');
    expect(headers.copy).not.toHaveProperty('x-api-key');
  });

  it('says what is named', async () => {
    const { copy } = await copied({ credentials: ['X-Auth-Subject'] }, bearer({ roles: ['admin'] }));
    expect(told(copy)).toEqual(['x-auth-subject: ada']);
  });

  it('carries no token from a header of its own, unless that is named', async () => {
    const headers = { 'x-token': token() };
    const from = { from: { header: 'X-Token' } };
    const unnamed = await copied({}, headers, from);
    expect(unnamed.real['x-token']).toBe(headers['x-token']);
    expect(unnamed.copy).not.toHaveProperty('x-token');
    const named = await copied({ credentials: ['x-token'] }, headers, from);
    expect(named.copy['x-token']).toBe(headers['x-token']);
  });
});
