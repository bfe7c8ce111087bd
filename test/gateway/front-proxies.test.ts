import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { makeCertificates, type TestAuthority } from '../support/certificates.ts';
import {
  type FrontProxy,
  type FrontProxyKind,
  haproxy,
  nginx,
  startFrontProxy,
} from '../support/front-proxies.ts';
import {
  readAll,
  startGateway,
  startTarget,
  type TestConfig,
  type TestGateway,
  type TestTarget,
} from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';

/** Another address than that from which the proxy connects. */
const CLIENT = '127.0.0.9';
const PROXY = '127.0.0.1';

let authority: TestAuthority;
beforeAll(async () => {
  authority = await makeCertificates();
});

interface Setup {
  readonly target: TestTarget;
  readonly gateway: TestGateway;
  readonly front: FrontProxy;
}

/** Starts target, gateway and proxy. The gateway's listener sends what came by plain HTTP to HTTPS where asked to. */
async function start(
  kind: FrontProxyKind,
  redirectToHttps?: number,
  config: TestConfig = {},
): Promise<Setup> {
  const target = await startTarget();
  const gateway = await startGateway({
    listeners: [{ host: LOOPBACK, port: 0, ...(redirectToHttps !== undefined && { redirectToHttps }) }],
    trustedProxies: [`${PROXY}/32`],
    upstreams: { service: { targets: [target.url] } },
    routes: [
      { id: 'old', path: '/old/*', redirect: { path: '/new/{params.*}' } },
      { id: 'all', path: '/*', upstream: 'service' },
    ],
    ...config,
  });
  const front = await startFrontProxy(
    kind,
    gateway.port,
    await authority.issue({ names: [LOOPBACK, 'shop.example'] }),
  );
  return { target, gateway, front };
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** Sends a request to one of the proxy's ports, from the client's address. */
async function ask(
  front: FrontProxy,
  scheme: 'http' | 'https',
  path: string,
  options: RequestOptions = {},
  body?: Buffer,
): Promise<Answer> {
  const port = scheme === 'https' ? front.tlsPort : front.port;
  const send = scheme === 'https' ? httpsRequest : httpRequest;
  const request = send({
    host: LOOPBACK,
    port,
    path,
    localAddress: CLIENT,
    agent: false,
    ca: authority.cert,
    ...options,
  });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await readAll(response) };
}

describe.each([nginx, haproxy])('behind $name', (kind) => {
  it.each(['http', 'https'] as const)('knows the client and that it used %s', async (scheme) => {
    const { gateway, front } = await start(kind);
    const { status, body } = await ask(front, scheme, '/');
    expect(status).toBe(200);
    expect(JSON.parse(body.toString()).headers).toMatchObject({
      'x-forwarded-for': `${CLIENT}, ${PROXY}`,
      'x-forwarded-proto': scheme,
      'x-forwarded-port': String(scheme === 'https' ? front.tlsPort : front.port),
    });
    expect(gateway.accessLog()).toMatchObject([{ client: CLIENT, status: 200 }]);
  });

  it('does not believe what the client says of itself through the proxy', async () => {
    const { gateway, front } = await start(kind);
    const { body } = await ask(front, 'http', '/', {
      headers: { 'x-forwarded-for': '192.0.2.7', 'x-auth-user': 'root' },
    });
    const { headers } = JSON.parse(body.toString());
    expect(headers['x-forwarded-for']).toBe(`192.0.2.7, ${CLIENT}, ${PROXY}`);
    expect(headers['x-auth-user']).toBeUndefined();
    expect(gateway.accessLog()).toMatchObject([{ client: CLIENT }]);
  });

  it('filters by the address of the client, not of the proxy', async () => {
    const { front } = await start(kind, undefined, {
      policies: [{ 'ip-filter': { deny: [`${CLIENT}/32`] } }],
    });
    expect((await ask(front, 'http', '/')).status).toBe(403);
    expect((await ask(front, 'http', '/', { localAddress: '127.0.0.10' })).status).toBe(200);
  });

  it('redirects to HTTPS what came by plain HTTP, and does not redirect again what came by HTTPS', async () => {
    const { front } = await start(kind, 8443);
    const plain = await ask(front, 'http', '/a?b=c', { headers: { host: 'shop.example' } });
    expect(plain).toMatchObject({ status: 308, headers: { location: 'https://shop.example:8443/a?b=c' } });
    expect((await ask(front, 'https', '/a', { headers: { host: 'shop.example' } })).status).toBe(200);
  });

  it.each(['http', 'https'] as const)('names the public port in `Location`, by %s', async (scheme) => {
    const { front } = await start(kind);
    const publicPort = scheme === 'https' ? front.tlsPort : front.port;
    const host = `shop.example:${publicPort}`;
    const { status, headers } = await ask(front, scheme, '/old/shoes?size=9', { headers: { host } });
    expect(status).toBe(302);
    expect(headers.location).toBe(`${scheme}://shop.example:${publicPort}/new/shoes?size=9`);
  });

  it('believes nothing of a proxy that is not trusted', async () => {
    const { gateway, front } = await start(kind, 8443, { trustedProxies: ['192.0.2.0/24'] });
    const { status, headers } = await ask(front, 'https', '/', { headers: { host: 'shop.example' } });
    expect(status).toBe(308);
    expect(headers.location).toBe('https://shop.example:8443/');
    expect(gateway.accessLog()).toMatchObject([{ client: PROXY }]);
  });

  it('serves many requests and large bodies both ways over connections that are kept', async () => {
    const { target, gateway, front } = await start(kind);
    target.server.removeAllListeners('request');
    target.server.on('request', (request, response) => request.pipe(response));
    const bytes = Buffer.alloc(3 * 1024 * 1024, 'a large body ');
    for (let i = 0; i < 5; i++) {
      const { body } = await ask(front, 'https', '/', { method: 'POST' }, bytes);
      expect(createHash('sha256').update(body).digest('hex')).toBe(
        createHash('sha256').update(bytes).digest('hex'),
      );
    }
    for (let i = 0; i < 50; i++) expect((await ask(front, 'http', '/')).status).toBe(200);
    expect(gateway.accessLog().every(({ status }) => status === 200)).toBe(true);
  });

  it('carries WebSockets, by TLS too', async () => {
    const { target, front } = await start(kind);
    const server = new WebSocketServer({ server: target.server });
    onTestFinished(() => {
      for (const socket of server.clients) socket.terminate();
    });
    server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
    for (const url of [`ws://${LOOPBACK}:${front.port}/`, `wss://${LOOPBACK}:${front.tlsPort}/`]) {
      const socket = new WebSocket(url, { ca: authority.cert });
      await once(socket, 'open');
      socket.send('hello');
      expect(String((await once(socket, 'message'))[0])).toBe('hello');
      socket.close();
      await once(socket, 'close');
    }
  });
});

// HAProxy tells the server nothing of a client that left while it waits for an answer.
describe('behind nginx', () => {
  it('frees the target when the client behind the proxy leaves', async () => {
    const { target, front } = await start(nginx);
    target.server.removeAllListeners('request');
    const left = new Promise<void>((resolve) => {
      target.server.on('request', (_, response) => {
        response.on('close', resolve);
        request.destroy();
      });
    });
    const request = httpRequest({ host: LOOPBACK, port: front.port, agent: false });
    request.on('error', () => {});
    request.end();
    await left;
  });
});
