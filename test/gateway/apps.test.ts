import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  RawClient,
  rawRequest,
  startGateway,
  type TestConfig,
  type TestGateway,
} from '../support/harness.ts';
import { app as shared } from './fixtures/orders-app.ts';

const app = fileURLToPath(new URL('./fixtures/orders-app.ts', import.meta.url));

beforeEach(() => shared.reset());

function startApp(more: Partial<TestConfig> = {}): Promise<TestGateway> {
  return startGateway({
    upstreams: { orders: { app } },
    routes: [{ id: 'orders', path: '/api/*', upstream: 'orders', stripPrefix: '/api' }],
    ...more,
  });
}

describe('an app in the process of the gateway', () => {
  it('answers behind the same routes and policies as any other upstream', async () => {
    const { url, accessLog } = await startApp({ policies: ['security-headers', 'request-id'] });
    const answer = await fetch(`${url}/api/orders/7?a=b`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await answer.json()).toEqual({
      id: '7',
      url: '/orders/7?a=b',
      ip: '127.0.0.1',
      requestId: answer.headers.get('x-request-id'),
    });
    expect(accessLog()).toMatchObject([{ status: 200, upstream: 'orders', route: 'orders' }]);
  });

  it('never sees a path that the routes do not take', async () => {
    const { url, port } = await startApp();
    expect((await fetch(`${url}/orders/7`)).status).toBe(404);
    expect(
      await rawRequest(port, 'GET /api/%2e%2e/orders/7 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
    ).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('streams an answer piece by piece', async () => {
    const { port } = await startApp();
    const client = await RawClient.connect(port);
    client.write('GET /api/stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await client.until((received) => received.includes('one'));
    expect(client.received).not.toContain('two');
    shared.release();
    expect(await client.ended()).toMatch(/two\r\n0\r\n\r\n$/);
  });

  it('streams a request piece by piece', async () => {
    const { port } = await startApp();
    const client = await RawClient.connect(port);
    client.write(
      'POST /api/count HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhello',
    );
    await shared.until(5);
    client.write('world');
    expect(await client.ended()).toMatch(/\{"bytes":10\}$/);
  });

  it('sends large bodies through whole', async () => {
    const { url } = await startApp();
    const body = Buffer.alloc(3 << 20, 'abcdefg');
    const answer = await fetch(`${url}/api/echo`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/octet-stream' },
    });
    expect(Buffer.from(await answer.arrayBuffer()).equals(body)).toBe(true);
  });

  it('answers HEAD without a body, and keeps the connection', async () => {
    const { port } = await startApp();
    const client = await RawClient.connect(port);
    for (let i = 0; i < 2; i++) {
      client.write('HEAD /api/orders/7 HTTP/1.1\r\nHost: a\r\n\r\n');
      expect(await client.take('\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
    }
    expect(client.received).toBe('');
  });

  it('that throws answers its own 500, and says why in the log', async () => {
    const { url, log } = await startApp();
    const answer = await fetch(`${url}/api/throws`);
    expect(answer.status).toBe(500);
    expect(log.lines()).toContainEqual(expect.objectContaining({ app: 'orders', level: 50 }));
  });

  it('hears when the client leaves', async () => {
    const { port } = await startApp();
    const client = await RawClient.connect(port);
    client.write('GET /api/hangs HTTP/1.1\r\nHost: a\r\n\r\n');
    await shared.hanging;
    client.destroy(true);
    await shared.left;
  });

  it('is late after the time for an answer: 504', async () => {
    const { url } = await startApp({ upstreams: { orders: { app, timeouts: { response: '100ms' } } } });
    expect((await fetch(`${url}/api/hangs`)).status).toBe(504);
  });

  it('is started once, and outlives reloads', async () => {
    const gateway = await startApp();
    const started = shared.starts;
    await gateway.gateway.reload();
    expect((await fetch(`${gateway.url}/api/orders/7`)).status).toBe(200);
    expect(shared.starts).toBe(started);
    expect(shared.closes).toBe(0);
  });

  it('is closed when it leaves the configuration, and with the gateway', async () => {
    const gateway = await startApp();
    await gateway.rewrite({ routes: [] });
    await gateway.gateway.reload();
    await shared.closed;
    expect(shared.closes).toBe(1);
    const other = await startApp();
    await other.close();
    expect(shared.closes).toBe(2);
  });

  it('that cannot be loaded stops the start', async () => {
    const gateway = await startGateway({ routes: [] });
    const broken = join(gateway.folder, 'broken.mjs');
    await writeFile(broken, 'export default 7;');
    await expect(startApp({ upstreams: { orders: { app: broken } } })).rejects.toThrow(
      'has no Fastify plugin as its default export',
    );
  });
});
