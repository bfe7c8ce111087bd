import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { createGateway, type GatewayInput } from '../../src/index.ts';
import { MemoryDestination } from '../observability/memory-destination.ts';
import { startGateway, startRawTarget, startTarget, type TestConfig } from '../support/harness.ts';
import { LOOPBACK, reserveNobody } from '../support/loopback.ts';

/** Makes a gateway that is never started, so that nothing but `inject` can reach it. */
async function prepareGateway(config: TestConfig) {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-inject-'));
  const configFile = join(folder, 'sallyport.json');
  const whole: TestConfig = { listeners: [{ host: LOOPBACK, port: 0 }], ...config };
  await writeFile(configFile, JSON.stringify(whole));
  const log = new MemoryDestination();
  const gateway = await createGateway({ configFile, env: {}, logDestination: log });
  onTestFinished(async () => {
    await gateway.close();
    await rm(folder, { recursive: true });
  });
  return { gateway, log };
}

const answering = {
  routes: [{ id: 'hello', path: '/hello/:name', methods: ['GET', 'PUT'], respond: { body: 'hi' } }],
} satisfies Pick<GatewayInput, 'routes'>;

const forwarding = (url: string): TestConfig => ({
  upstreams: { service: { targets: [url] } },
  routes: [{ id: 'all', path: '/*', upstream: 'service' }],
});

it('answers without an open port, with policies and access log', async () => {
  const { gateway, log } = await prepareGateway({ policies: ['request-id'], ...answering });
  const { status, headers, body } = await gateway.inject({ url: '/hello/ada?x=1' });
  expect(gateway.ports).toEqual([]);
  expect([status, body.toString()]).toEqual([200, 'hi']);
  expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  expect(headers.get('content-length')).toBe('2');
  const line = { msg: 'request', route: 'hello', path: '/hello/ada', client: '127.0.0.1', bytes: 2 };
  expect(log.lines()).toContainEqual(expect.objectContaining(line));
});

it('closes at once a gateway that was never started', async () => {
  const { gateway } = await prepareGateway({ ...answering, drain: { delay: '1h' } });
  await gateway.inject({ url: '/hello/ada' });
  await gateway.close();
  await expect(gateway.inject({ url: '/hello/ada' })).rejects.toThrow('the gateway is closed');
});

it('works beside open ports, before and after the start', async () => {
  const { gateway } = await prepareGateway({
    admin: { host: LOOPBACK, port: 0, token: 't' },
    drain: { delay: '0s' },
    ...answering,
  });
  await gateway.inject({ url: '/hello/ada' });
  await gateway.start();
  const { status } = await gateway.inject({ url: '/hello/ada' });
  const answer = await fetch(`http://${LOOPBACK}:${gateway.ports[0]}/hello/ada`);
  expect([status, answer.status]).toEqual([200, 200]);
});

it('forwards to targets, with a body of known length and one that streams', async () => {
  const target = await startTarget();
  const { gateway } = await prepareGateway(forwarding(target.url));
  async function* pieces() {
    yield Buffer.from('one,');
    yield Buffer.from('two');
  }
  const known = await gateway.inject({
    method: 'POST',
    url: '/a?b=c',
    headers: { 'x-a': '1' },
    body: 'text',
  });
  const streamed = await gateway.inject({ method: 'PUT', url: '/a', body: pieces() });
  expect(JSON.parse(known.body.toString())).toMatchObject({
    method: 'POST',
    url: '/a?b=c',
    body: 'text',
    headers: { 'x-a': '1', host: 'localhost', 'x-forwarded-for': '127.0.0.1', 'content-length': '4' },
  });
  expect(JSON.parse(streamed.body.toString())).toMatchObject({
    body: 'one,two',
    headers: { 'transfer-encoding': 'chunked' },
  });
});

it('says what a client on a socket would hear: 400, 404, 405, 414 and HEAD', async () => {
  const { gateway, log } = await prepareGateway(answering);
  const statusOf = async (method: string, url: string, headers = {}) =>
    (await gateway.inject({ method, url, headers })).status;
  expect(await statusOf('GET', '/hello/%2e%2e%2f')).toBe(400);
  expect(await statusOf('GET', '/hello/ada', { host: 'a b' })).toBe(400);
  expect(await statusOf('GET', '/nowhere')).toBe(404);
  expect(await statusOf('DELETE', '/hello/ada')).toBe(405);
  expect(await statusOf('GET', `/${'a'.repeat(9000)}`)).toBe(414);
  expect(await statusOf('BREW', '/hello/ada')).toBe(501);
  expect(log.lines()).toContainEqual(
    expect.objectContaining({ msg: 'malformed request', code: 'GW_METHOD_UNKNOWN' }),
  );
  const head = await gateway.inject({ method: 'HEAD', url: '/hello/ada' });
  expect([head.status, head.headers.get('content-length'), head.body.length]).toEqual([200, '2', 0]);
});

it('is seen as the client that it says it is', async () => {
  const { gateway } = await prepareGateway({
    policies: [{ 'ip-filter': { allow: ['192.0.2.0/24'] } }, 'security-headers'],
    routes: [{ id: 'api', path: '/', hosts: ['api.example.com'], respond: {} }],
  });
  const url = 'https://api.example.com/';
  const allowed = await gateway.inject({ url, remoteAddress: '::ffff:192.0.2.7' });
  const denied = await gateway.inject({ url });
  const elsewhere = await gateway.inject({ url: '/', remoteAddress: '192.0.2.7' });
  expect([allowed.status, denied.status, elsewhere.status]).toEqual([200, 403, 404]);
  expect(allowed.headers.get('strict-transport-security')).toBe('max-age=31536000');
});

it('takes the listener that answers, not the one that redirects to HTTPS', async () => {
  const redirecting = { port: 0, redirectToHttps: 443 };
  const { gateway } = await prepareGateway({ listeners: [redirecting, { port: 0 }], ...answering });
  expect((await gateway.inject({ url: '/hello/ada' })).status).toBe(200);
});

it('rejects when the answer breaks off', async () => {
  const target = await startRawTarget((socket) => {
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf');
  });
  const { gateway, log } = await prepareGateway(forwarding(target.url));
  await expect(gateway.inject({ url: '/' })).rejects.toThrow('the response broke off');
  expect(log.lines()).toContainEqual(expect.objectContaining({ code: 'GW_UPSTREAM_BROKEN', bytes: 4 }));
});

it('leaves when told to: the target is free, the source of the body is closed', async () => {
  const target = await startTarget((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
  });
  const { gateway } = await prepareGateway(forwarding(target.url));
  const leaving = new AbortController();
  const answer = gateway.inject({ url: '/events', signal: leaving.signal });
  const request = await target.request(0);
  const left = new Promise((resolve) => request.socket.once('close', resolve));
  leaving.abort(new Error('seen enough'));
  await expect(answer).rejects.toThrow('seen enough');
  await left;
});

it('closes the source of a body that nobody reads', async () => {
  const { gateway } = await prepareGateway(answering);
  let isClosed = false;
  const body: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false, value: Buffer.from('x') }),
      return: async () => {
        isClosed = true;
        return { done: true, value: undefined };
      },
    }),
  };
  expect((await gateway.inject({ method: 'PUT', url: '/nowhere', body })).status).toBe(404);
  expect(isClosed).toBe(true);
});

it.each([
  [{ url: '' }, 'is not a method and URL'],
  [{ url: '/a b' }, 'is not a method and URL'],
  [{ url: '/\r\nx-auth-user: root' }, 'is not a method and URL'],
  [{ method: 'GET /x', url: '/' }, 'is not a method and URL'],
  [{ url: '/', headers: { 'content-length': '5' } }, 'leave content-length out'],
  [{ url: '/', headers: { 'Transfer-Encoding': 'chunked' } }, 'leave transfer-encoding out'],
  [{ url: '/', headers: { 'a b': '1' } }, 'is not a header name'],
  [{ url: '/', headers: { a: '1\r\nb: 2' } }, 'forbidden character'],
])('rejects what cannot be sent: %j', async (request, message) => {
  const { gateway } = await startGateway(answering);
  await expect(gateway.inject(request)).rejects.toThrow(TypeError);
  await expect(gateway.inject(request)).rejects.toThrow(message);
});

it('keeps a process alive that waits for nothing else', async () => {
  const { configFile } = await startGateway(forwarding((await reserveNobody()).url));
  const script = `
    import { createGateway } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)};
    const gateway = await createGateway({ configFile: ${JSON.stringify(configFile)}, logLevel: 'silent' });
    console.log((await gateway.inject({ url: '/' })).status);
    await gateway.close();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  expect(stdout).toBe('503\n');
});

it('rejects what becomes a tunnel', async () => {
  const target = await startRawTarget((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    });
  });
  const { gateway } = await prepareGateway(forwarding(target.url));
  const headers = { connection: 'upgrade', upgrade: 'websocket' };
  await expect(gateway.inject({ url: '/', headers })).rejects.toThrow('it became a tunnel');
});
