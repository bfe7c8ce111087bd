import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  RawClient,
  rawRequest,
  readAll,
  SPEAKS_TLS,
  startGatewayTo,
  startRawTarget,
  startTarget,
} from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { hasResponses, readOnly, readResponses } from '../support/raw-responses.ts';
import { settled } from '../support/until.ts';

const SIZES = [0, 1, 2, 100, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 200_000, 1024 * 1024];

/** Bytes that repeat after no power of two, so that a buffer used twice shows. */
function makeBytes(size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8) * 13) % 251));
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Cuts bytes in pieces whose sizes come from a fixed sequence of growing and shrinking numbers. */
function* cut(bytes: Buffer, seed: number): Generator<Buffer> {
  let state = seed;
  for (let at = 0; at < bytes.length; ) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    const size = 1 + (state % 3 === 0 ? state % 100 : state % 90_000);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

function toChunk(piece: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]);
}

describe('request bodies', () => {
  async function startHashing() {
    const target = await startTarget(async (request, response) => {
      const body = await readAll(request);
      const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
      response.end(JSON.stringify({ size: body.length, hash: hashOf(body), length, coding }));
    });
    return startGatewayTo(target);
  }

  it('of known length arrive byte for byte, with that length', async () => {
    const { port } = await startHashing();
    const client = await RawClient.connect(port);
    for (const [i, size] of SIZES.entries()) {
      const bytes = makeBytes(size);
      client.received = '';
      client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
      await client.writePieces(cut(bytes, i));
      const answer = JSON.parse(readOnly(await client.until(hasResponses(1))).body);
      expect(answer).toEqual({ size, hash: hashOf(bytes), length: String(size) });
    }
  });

  it('in chunks arrive byte for byte, in chunks', async () => {
    const { port } = await startHashing();
    const client = await RawClient.connect(port);
    for (const [i, size] of SIZES.entries()) {
      const bytes = makeBytes(size);
      const wire = Buffer.concat([...[...cut(bytes, i)].map(toChunk), Buffer.from('0\r\n\r\n')]);
      client.received = '';
      client.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
      await client.writePieces(cut(wire, i + 100));
      const answer = JSON.parse(readOnly(await client.until(hasResponses(1))).body);
      expect(answer).toEqual({ size, hash: hashOf(bytes), coding: 'chunked' });
    }
  });

  it('in one piece with the head and the next request arrive as what they are', async () => {
    const { port } = await startHashing();
    const bytes = makeBytes(30_000);
    const one = Buffer.concat([
      Buffer.from(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes.length}\r\n\r\n`),
      bytes,
    ]);
    const received = await rawRequest(port, Buffer.concat([one, one, one]), { until: hasResponses(3) });
    const hashes = readResponses(received).map(({ body }) => JSON.parse(body).hash);
    expect(hashes).toEqual([hashOf(bytes), hashOf(bytes), hashOf(bytes)]);
  });

  it('of many connections at once do not mix', async () => {
    const { port } = await startHashing();
    await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        const bytes = makeBytes(300_000 + i).fill(i + 1, 1000, 200_000);
        const client = await RawClient.connect(port);
        client.write(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes.length}\r\n\r\n`);
        await client.writePieces(cut(bytes, i));
        const answer = JSON.parse(readOnly(await client.until(hasResponses(1))).body);
        expect(answer.hash).toBe(hashOf(bytes));
      }),
    );
  });

  it('arrive whole at a target that reads slowly', async () => {
    const target = await startTarget(async (request, response) => {
      const hash = createHash('sha256');
      for await (const chunk of request) {
        hash.update(chunk);
        await nextTurn();
        await nextTurn();
        await nextTurn();
      }
      response.end(hash.digest('hex'));
    });
    const { port } = await startGatewayTo(target);
    for (const framing of ['length', 'chunked']) {
      const bytes = makeBytes(8 * 1024 * 1024);
      const client = await RawClient.connect(port);
      const field = framing === 'length' ? `Content-Length: ${bytes.length}` : 'Transfer-Encoding: chunked';
      client.write(`POST / HTTP/1.1\r\nHost: a\r\n${field}\r\n\r\n`);
      if (framing === 'length') client.write(bytes);
      else client.write(Buffer.concat([...[...cut(bytes, 5)].map(toChunk), Buffer.from('0\r\n\r\n')]));
      expect(readOnly(await client.until(hasResponses(1))).body).toBe(hashOf(bytes));
    }
  });

  it('are not taken from the client faster than the target takes them', async () => {
    const target = await startRawTarget((socket) => socket.pause());
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    const total = 64 * 1024 * 1024;
    client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${total}\r\n\r\n`);
    const piece = Buffer.alloc(1024 * 1024);
    for (let sent = 0; sent < total; sent += piece.length) client.write(piece);
    await target.socket(0);
    await settled(() => client.socket.writableLength);
    expect(client.socket.writableLength).toBeGreaterThan(total / 2);
  });

  it('bring their trailers along, but none that may not stand there', async () => {
    const target = await startTarget(async (request, response) => {
      await readAll(request);
      response.end(JSON.stringify(request.trailers));
    });
    const { port } = await startGatewayTo(target);
    const received = await rawRequest(
      port,
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n' +
        'X-Checksum: 42\r\nX-Auth-User: root\r\nx_auth_user: root\r\nCookie: a=b\r\nHost: b\r\n\r\n',
    );
    expect(JSON.parse(readOnly(received).body)).toEqual({ 'x-checksum': '42' });
  });
});

describe('answers', () => {
  it('of known length come byte for byte, with that length', async () => {
    const target = await startTarget((request, response) => {
      const bytes = makeBytes(Number(request.url?.slice(1)));
      response.setHeader('content-length', bytes.length);
      for (const piece of cut(bytes, bytes.length)) response.write(piece);
      response.end();
    });
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    for (const size of SIZES) {
      client.received = '';
      client.write(`GET /${size} HTTP/1.1\r\nHost: a\r\n\r\n`);
      const response = readOnly(await client.until(hasResponses(1)));
      expect(hashOf(Buffer.from(response.body, 'latin1'))).toBe(hashOf(makeBytes(size)));
      expect(response.headers['content-length']).toBe(String(size));
    }
  });

  it('of unknown length come byte for byte, in chunks', async () => {
    const target = await startTarget((request, response) => {
      const bytes = makeBytes(Number(request.url?.slice(1)));
      response.flushHeaders();
      for (const piece of cut(bytes, bytes.length)) response.write(piece);
      response.end();
    });
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    for (const size of SIZES) {
      client.received = '';
      client.write(`GET /${size} HTTP/1.1\r\nHost: a\r\n\r\n`);
      const response = readOnly(await client.until(hasResponses(1)));
      expect(hashOf(Buffer.from(response.body, 'latin1'))).toBe(hashOf(makeBytes(size)));
      expect(response.delimiter).toBe('chunked');
      expect(response.headers['content-length']).toBeUndefined();
    }
  });

  it('that end with the connection of the target come whole, in chunks', async () => {
    const bytes = makeBytes(300_000);
    const target = await startRawTarget((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.end(bytes);
      });
    });
    const { port } = await startGatewayTo(target);
    const received = await rawRequest(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', { until: hasResponses(1) });
    expect(readOnly(received).delimiter).toBe('chunked');
    expect(hashOf(Buffer.from(readOnly(received).body, 'latin1'))).toBe(hashOf(bytes));
  });

  it('bring their trailers along', async () => {
    const target = await startTarget((_, response) => {
      response.setHeader('trailer', 'x-checksum');
      response.write('abc');
      response.addTrailers({ 'x-checksum': '42' });
      response.end();
    });
    const { port } = await startGatewayTo(target);
    const received = await rawRequest(
      port,
      'GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n',
    );
    expect(readOnly(received)).toMatchObject({ body: 'abc', trailers: { 'x-checksum': '42' } });
  });

  it('to HEAD have the length of GET and no body, and the connection goes on', async () => {
    const target = await startTarget((request, response) => {
      if (request.url === '/chunked') response.setHeader('transfer-encoding', 'chunked');
      else response.setHeader('content-length', 5);
      response.end('12345');
    });
    const { port } = await startGatewayTo(target);
    const methods = ['HEAD', 'HEAD', 'HEAD', 'GET'];
    const received = await rawRequest(
      port,
      'HEAD /length HTTP/1.1\r\nHost: a\r\n\r\nHEAD /chunked HTTP/1.1\r\nHost: a\r\n\r\n' +
        'HEAD /length HTTP/1.1\r\nHost: a\r\n\r\nGET /length HTTP/1.1\r\nHost: a\r\n\r\n',
      { until: hasResponses(4, methods) },
    );
    const responses = readResponses(received, methods);
    expect(responses.map(({ headers }) => headers['content-length'])).toEqual(['5', undefined, '5', '5']);
    expect(responses.map(({ body }) => body)).toEqual(['', '', '', '12345']);
  });

  it('to HEAD that the gateway makes itself have no body either', async () => {
    const target = await startTarget();
    const { port } = await startGatewayTo(target, { routes: [] });
    const methods = ['HEAD', 'GET'];
    const received = await rawRequest(
      port,
      'HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );
    const [head, get] = readResponses(received, methods);
    expect(head).toMatchObject({ status: 404, body: '' });
    expect(Number(head?.headers['content-length'])).toBeGreaterThan(100);
    expect(JSON.parse(get?.body ?? '')).toMatchObject({ code: 'GW_NO_ROUTE' });
  });

  it.each([204, 304])('with status %i have no body, and the connection goes on', async (status) => {
    const target = await startRawTarget((socket) => {
      socket.on('data', () => socket.write(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\netag: "1"\r\n\r\n`));
    });
    const { port } = await startGatewayTo(target);
    const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
    const received = await rawRequest(port, get + get, { until: hasResponses(2) });
    const [first, second] = readResponses(received);
    expect(first).toMatchObject({ status, reason: 'X', headers: { etag: '"1"' } });
    expect(second?.status).toBe(status);
    if (status === 204) expect(first?.headers['content-length']).toBeUndefined();
    expect(first?.headers['transfer-encoding']).toBeUndefined();
  });

  it('keep the length that a 304 says GET would have', async () => {
    const target = await startRawTarget((socket) => {
      socket.on('data', () => socket.write('HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n'));
    });
    const { port } = await startGatewayTo(target);
    const received = await rawRequest(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(readOnly(received).headers['content-length']).toBe('500');
  });

  it('come at the speed of the client: a target that has much waits', async () => {
    const total = 64 * 1024 * 1024;
    let sender: Socket | undefined;
    const target = await startRawTarget((socket) => {
      sender = socket;
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`);
        const piece = Buffer.alloc(1024 * 1024);
        for (let sent = 0; sent < total; sent += piece.length) socket.write(piece);
      });
    });
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until((received) => received !== '');
    client.socket.pause();
    const waiting = () => sender?.writableLength ?? 0;
    await settled(waiting);
    expect(waiting()).toBeGreaterThan(total / 2);
    const before = waiting();
    client.socket.resume();
    while (waiting() === before) await nextTurn();
  });

  it('come whole to a client that reads slowly', async () => {
    const bytes = makeBytes(12 * 1024 * 1024);
    const target = await startTarget((request, response) => {
      if (request.url === '/length') response.setHeader('content-length', bytes.length);
      response.end(bytes);
    });
    const { port } = await startGatewayTo(target);
    for (const path of ['/length', '/chunked']) {
      const hash = await new Promise((resolve, reject) => {
        const options = { port, host: LOOPBACK, path, rejectUnauthorized: false };
        const send = SPEAKS_TLS ? httpsRequest : httpRequest;
        const request = send(options, async (response) => {
          const sum = createHash('sha256');
          for await (const chunk of response) {
            sum.update(chunk);
            await nextTurn();
            await nextTurn();
          }
          resolve(sum.digest('hex'));
        });
        request.on('error', reject).end();
      });
      expect(hash).toBe(hashOf(bytes));
    }
  });
});

describe('streams', () => {
  it('of server-sent events bring each event without waiting for the next', async () => {
    let send: (event: string) => void = () => {};
    const target = await startTarget((_, response) => {
      response.setHeader('content-type', 'text/event-stream');
      response.flushHeaders();
      send = (event) => response.write(`data: ${event}\n\n`);
    });
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write('GET / HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n');
    await client.take('\r\n\r\n');
    for (const event of ['one', 'two', 'three']) {
      send(event);
      expect(await client.take('\n\n\r\n')).toContain(`data: ${event}`);
    }
  });

  it('go both ways at once', async () => {
    const target = await startTarget((request, response) => {
      response.flushHeaders();
      request.on('data', (chunk) => response.write(`<${chunk}>`));
      request.on('end', () => response.end());
    });
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    await client.take('\r\n\r\n');
    for (const text of ['a', 'bc', 'def']) {
      client.write(`${text.length}\r\n${text}\r\n`);
      expect(await client.take(`<${text}>\r\n`)).toBeTruthy();
    }
    client.write('0\r\n\r\n');
    await client.take('0\r\n\r\n');
  });
});

describe('an answer before the end of the request body', () => {
  it('reaches a client that goes on sending, without a reset', async () => {
    const target = await startTarget();
    const { port } = await startGatewayTo(target, {
      routes: [{ id: 'no', path: '/*', respond: { status: 403, body: 'no' } }],
    });
    const client = await RawClient.connect(port);
    const total = 20 * 1024 * 1024;
    client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${total}\r\n\r\n`);
    client.socket.pause();
    const piece = Buffer.alloc(256 * 1024);
    const closed = once(client.socket, 'close').then(() => Promise.reject(new Error('closed')));
    closed.catch(() => {});
    for (let sent = 0; sent < total; sent += piece.length) {
      if (!client.socket.write(piece)) await Promise.race([once(client.socket, 'drain'), closed]);
    }
    client.socket.resume();
    expect(readOnly(await client.ended())).toMatchObject({
      status: 403,
      body: 'no',
      headers: { connection: 'close' },
    });
    expect(client.wasReset).toBe(false);
  });

  it('from a target reaches the client, and the connection ends', async () => {
    const target = await startRawTarget((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 429 X\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
      });
      socket.resume();
    });
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n');
    await client.until(hasResponses(1));
    client.write(Buffer.alloc(200_000));
    expect(readOnly(await client.ended())).toMatchObject({ status: 429, headers: { connection: 'close' } });
    expect(client.wasReset).toBe(false);
  });

  it('ends the connection where the rest comes in chunks', async () => {
    const target = await startTarget();
    const { port } = await startGatewayTo(target, {
      routes: [{ id: 'no', path: '/*', respond: { status: 403 } }],
    });
    const received = await rawRequest(port, [
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
      '2\r\nab\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
    ]);
    expect(readOnly(received)).toMatchObject({ status: 403, headers: { connection: 'close' } });
  });
});
