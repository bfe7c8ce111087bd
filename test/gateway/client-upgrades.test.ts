import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import {
  RawClient,
  rawRequest,
  released,
  startGatewayTo,
  startRawTarget,
  startTarget,
} from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { readOnly, readResponses } from '../support/raw-responses.ts';
import { settled, until } from '../support/until.ts';

const UPGRADE =
  'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

/** A target that echoes WebSocket messages, and the sockets that it serves. */
async function startEcho() {
  const target = await startTarget();
  const server = new WebSocketServer({ server: target.server });
  const sockets: WebSocket[] = [];
  const heads: IncomingHttpHeaders[] = [];
  server.on('connection', (socket, request) => {
    sockets.push(socket);
    heads.push(request.headers);
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.terminate();
  });
  return { ...target, webSockets: server, sockets, heads };
}

async function openSocket(port: number, path = '/chat'): Promise<WebSocket> {
  const socket = new WebSocket(`ws://${LOOPBACK}:${port}${path}`);
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

describe('a WebSocket', () => {
  it('carries messages both ways, in order', async () => {
    const { port } = await startGatewayTo(await startEcho());
    const socket = await openSocket(port);
    const received: string[] = [];
    const done = new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        received.push(data.toString());
        if (received.length === 100) resolve();
      });
    });
    const sent = Array.from({ length: 100 }, (_, i) => `message ${i}`);
    for (const message of sent) socket.send(message);
    await done;
    expect(received).toEqual(sent);
  });

  it('carries messages of many MiB whole', async () => {
    const { port } = await startGatewayTo(await startEcho());
    const socket = await openSocket(port);
    const message = Buffer.from(Uint8Array.from({ length: 8 * 1024 * 1024 }, (_, i) => (i * 7) % 251));
    socket.send(message);
    const [received] = (await once(socket, 'message')) as [Buffer];
    expect(received.equals(message)).toBe(true);
  });

  it('opens with what the target and the client say in their heads', async () => {
    const target = await startEcho();
    target.webSockets.on('headers', (headers) => headers.push('x-shard: 7'));
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write(UPGRADE);
    const head = await client.take('\r\n\r\n');
    const [response] = readResponses(`${head}\r\n\r\n`);
    expect(response).toMatchObject({
      status: 101,
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
        'x-shard': '7',
      },
    });
    expect(target.heads[0]).toMatchObject({
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'x-forwarded-for': '127.0.0.1',
    });
  });

  it('passes what the client sent right behind its request', async () => {
    const target = await startRawTarget((socket) => {
      let received = '';
      socket.on('data', (chunk) => {
        received += chunk;
        if (!received.includes('\r\n\r\n')) return;
        if (!received.startsWith('GET')) return;
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello',
        );
        received = '';
        socket.on('data', (more) => socket.write(`<${more}>`));
      });
    });
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write(`${UPGRADE}early`);
    await client.take('\r\n\r\nhello');
    await client.take('<early>');
    client.write('later');
    await client.take('<later>');
  });

  it('whose client had said all before the target agreed is told so', async () => {
    const target = await startRawTarget((socket) => {
      socket.once('data', () => socket.emit('asked'));
    });
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write(UPGRADE);
    const socket = await target.socket(0);
    await once(socket, 'asked');
    client.end();
    // A sign of life: the gateway has heard of the end.
    await client.take('HTTP/1.1 100 Continue\r\n\r\n');
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
    await client.take('HTTP/1.1 101 ');
    await released(socket);
    socket.end('bye');
    expect(await client.ended()).toMatch(/\r\n\r\nbye$/);
  });

  it('closed by the client is closed at the target, with code and reason', async () => {
    const target = await startEcho();
    const gateway = await startGatewayTo(target);
    const socket = await openSocket(gateway.port);
    const closed = once(target.sockets[0] as WebSocket, 'close');
    const closedHere = once(socket, 'close');
    socket.close(4001, 'enough');
    expect((await closed).map(String)).toEqual(['4001', 'enough']);
    expect((await closedHere).map(String)).toEqual(['4001', 'enough']);
    await until(() => gateway.accessLog().length > 0);
    const [line] = gateway.accessLog();
    expect(line).toMatchObject({ status: 101, path: '/chat', upstream: 'service' });
    expect(line?.code).toBeUndefined();
  });

  it('closed by the target is closed at the client, with code and reason', async () => {
    const target = await startEcho();
    const { port } = await startGatewayTo(target);
    const socket = await openSocket(port);
    target.sockets[0]?.close(4002, 'go away');
    expect((await once(socket, 'close')).map(String)).toEqual(['4002', 'go away']);
  });

  it('whose client dies is closed at the target', async () => {
    const target = await startEcho();
    const gateway = await startGatewayTo(target);
    const socket = await openSocket(gateway.port);
    const closed = once(target.sockets[0] as WebSocket, 'close');
    socket.terminate();
    expect((await closed)[0]).toBe(1006);
    await until(() => gateway.accessLog().length > 0);
  });

  it('whose target dies is closed at the client', async () => {
    const target = await startEcho();
    const gateway = await startGatewayTo(target);
    const socket = await openSocket(gateway.port);
    const closed = once(socket, 'close');
    socketOf(target.sockets[0] as WebSocket).resetAndDestroy();
    expect((await closed)[0]).toBe(1006);
    await until(() => gateway.accessLog().length > 0);
  });

  it('comes at the speed of the slower side, both ways', async () => {
    const target = await startEcho();
    const { port } = await startGatewayTo(target);
    const socket = await openSocket(port);
    const [peer] = target.sockets as [WebSocket];
    peer.removeAllListeners('message');
    const piece = Buffer.alloc(1024 * 1024);
    for (const [from, to] of [
      [socket, peer],
      [peer, socket],
    ] as const) {
      to.pause();
      for (let i = 0; i < 64; i++) from.send(piece);
      await settled(() => from.bufferedAmount);
      expect(from.bufferedAmount).toBeGreaterThan(32 * piece.length);
      const whole = new Promise<void>((resolve) => {
        let count = 0;
        to.on('message', () => {
          if (++count === 64) resolve();
        });
      });
      to.resume();
      await whole;
    }
  });

  it('that the target declines gets the answer, and the connection goes on', async () => {
    const target = await startTarget((request, response) => {
      response.statusCode = request.url === '/chat' ? 403 : 200;
      response.end(request.url);
    });
    target.server.on('upgrade', (_, socket) =>
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno'),
    );
    const { port } = await startGatewayTo(target);
    const received = await rawRequest(
      port,
      `${UPGRADE}GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    );
    expect(readResponses(received)).toMatchObject([
      { status: 403, body: 'no' },
      { status: 200, body: '/next' },
    ]);
  });

  it('is refused by policies as any request is', async () => {
    const target = await startEcho();
    const { port } = await startGatewayTo(target, { policies: [{ 'ip-filter': { deny: ['127.0.0.0/8'] } }] });
    const socket = new WebSocket(`ws://${LOOPBACK}:${port}/chat`);
    const [, response] = await once(socket, 'unexpected-response');
    expect(response.statusCode).toBe(403);
    expect(target.sockets).toEqual([]);
  });
});

describe('an upgrade to anything else', () => {
  it.each(['h2c', 'TLS/1.0', 'IRC/6.9'])(
    'such as %s is forwarded as a request without it',
    async (protocol) => {
      const target = await startTarget();
      target.server.on('upgrade', (_, socket) => socket.destroy());
      const { port } = await startGatewayTo(target);
      const received = await rawRequest(
        port,
        `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: ${protocol}\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
      );
      const { headers } = JSON.parse(readOnly(received).body);
      expect(headers.upgrade).toBeUndefined();
      expect(headers['http2-settings']).toBeUndefined();
      expect(headers.connection).toBeUndefined();
    },
  );

  it('is not a WebSocket without `Connection: upgrade`, or on HTTP/1.0', async () => {
    const target = await startTarget();
    target.server.on('upgrade', (_, socket) => socket.destroy());
    const { port } = await startGatewayTo(target);
    for (const line of ['HTTP/1.1\r\nConnection: close', 'HTTP/1.0\r\nConnection: Upgrade']) {
      const received = await rawRequest(port, `GET / ${line}\r\nHost: a\r\nUpgrade: websocket\r\n\r\n`);
      expect(JSON.parse(readOnly(received).body).headers.upgrade).toBeUndefined();
    }
  });

  it('is broken off when the target switches to it unasked', async () => {
    const target = await startRawTarget((socket) => {
      socket.once('data', () =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nfoo'),
      );
    });
    const { port } = await startGatewayTo(target);
    const received = await rawRequest(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(JSON.parse(readOnly(received).body)).toMatchObject({ code: 'GW_UPSTREAM_BROKEN' });
    await released(await target.socket(0));
  });
});

function socketOf(socket: WebSocket): Socket {
  return (socket as unknown as { _socket: Socket })._socket;
}
