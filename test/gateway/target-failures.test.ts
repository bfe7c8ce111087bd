import { request } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  RawClient,
  rawRequest,
  startGateway,
  startGatewayTo,
  startRawTarget,
  startTarget,
  type TestGateway,
} from '../support/harness.ts';
import { LOOPBACK, reserveNobody } from '../support/loopback.ts';

const GET = 'GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n';
const LAST_GET = 'GET /a HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Starts a gateway whose target answers each request with these bytes, and then ends as `ending` says. */
async function startAnswering(
  answer: string,
  ending: 'keep' | 'fin' | 'reset' = 'keep',
): Promise<TestGateway> {
  const target = await startRawTarget((socket) => {
    socket.on('data', async () => {
      socket.write(Buffer.from(answer, 'latin1'));
      await nextTurn();
      if (ending === 'fin') socket.end();
      if (ending === 'reset') socket.resetAndDestroy();
    });
  });
  return startGatewayTo(target);
}

describe('a target that dies within its answer', () => {
  it.each([
    ['of a stated length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello', 'fin'],
    ['of a stated length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello', 'reset'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', 'fin'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', 'reset'],
    ['that only its end would end', 'HTTP/1.1 200 OK\r\n\r\nhello', 'reset'],
  ] as const)('breaks the connection of the client: %s, %#', async (_, answer, ending) => {
    const { port, accessLog } = await startAnswering(answer, ending);
    const client = await RawClient.connect(port);
    client.write(GET);
    const received = await client.ended();
    expect(received).toMatch(/^(|HTTP\/1\.1 200 .*)$/s);
    expect(received).not.toContain('0\r\n\r\n');
    expect(client.wasReset).toBe(true);
    expect(accessLog()).toMatchObject([{ status: 200, code: 'GW_UPSTREAM_BROKEN' }]);
  });

  it('breaks the connection of an HTTP/1.0 client, which knows no other way', async () => {
    const { port } = await startAnswering(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
      'fin',
    );
    const client = await RawClient.connect(port);
    client.write('GET /a HTTP/1.0\r\n\r\n');
    await client.ended();
    expect(client.wasReset).toBe(true);
  });
});

describe('a response', () => {
  it.each([
    [
      'until the connection ends',
      'HTTP/1.1 200 OK\r\n\r\nhello',
      'fin',
      /transfer-encoding: chunked.*5\r\nhello\r\n0\r\n\r\n$/is,
    ],
    [
      'in chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n',
      'keep',
      /0\r\n\r\n$/,
    ],
    [
      'of a stated length',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
      'keep',
      /content-length: 5.*hello$/is,
    ],
    ['without a body', 'HTTP/1.1 204 No Content\r\n\r\n', 'keep', /^HTTP\/1\.1 204 No Content\r\n/],
    [
      'of another reason',
      'HTTP/1.1 299 Quite Fine\r\nContent-Length: 0\r\n\r\n',
      'keep',
      /^HTTP\/1\.1 299 Quite Fine\r\n/,
    ],
    [
      'with a large head',
      `HTTP/1.1 200 OK\r\nA: ${'x'.repeat(60_000)}\r\nContent-Length: 0\r\n\r\n`,
      'keep',
      /A: x{60000}\r\n/,
    ],
  ] as const)('comes whole: %s', async (_, answer, ending, expected) => {
    const { port } = await startAnswering(answer, ending);
    expect(await rawRequest(port, LAST_GET)).toMatch(expected);
  });

  it.each([
    ['204', 'GET', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello'],
    ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello'],
    ['HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['a stated length', 'GET', `${OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen`],
  ])('brings nothing of what comes behind %s', async (_, method, answer) => {
    const { port } = await startAnswering(answer);
    const received = await rawRequest(port, LAST_GET.replace('GET', method));
    expect(received).not.toContain('hello');
    expect(received).not.toContain('stolen');
  });

  it('behind the end of another never reaches the next client', async () => {
    const { port } = await startAnswering(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen`);
    for (let i = 0; i < 10; i++) expect(await rawRequest(port, LAST_GET)).toMatch(/\r\n\r\nok$/);
  });

  it('brings trailers to who asks for them', async () => {
    const { port } = await startAnswering(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n',
    );
    const asking = LAST_GET.replace('Connection: close', 'TE: trailers\r\nConnection: close, te');
    expect(await rawRequest(port, asking)).toMatch(/0\r\nX-Sum: 7\r\n\r\n$/);
  });

  it('begins with its interim responses', async () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n';
    const { port } = await startAnswering(`HTTP/1.1 100 Continue\r\n\r\n${hints}${OK}`);
    const received = await rawRequest(port, LAST_GET);
    expect(received).toMatch(
      /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 /,
    );
    const old = await rawRequest(port, 'GET /a HTTP/1.0\r\n\r\n');
    expect(old).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('reaches a client that is still sending, whose body is then dropped', async () => {
    const target = await startRawTarget((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig'));
    });
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\nbegun');
    expect(await client.ended()).toMatch(/^HTTP\/1\.1 413 .*big$/s);
  });

  // Node itself ends a socket whose write fails, unless the stream is written past.
  const isPublic = process.env.SALLYPORT_PUBLIC_SOCKETS === '1';
  it.skipIf(isPublic)(
    'reaches clients that send much to a target that answers at once and closes',
    async () => {
      const target = await startRawTarget((socket) => {
        socket.once('data', () => {
          socket.write('HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig');
          socket.destroy();
        });
      });
      const { port } = await startGatewayTo(target);
      const statuses = Array.from({ length: 20 }, () => uploadStatus(port, 400_000));
      expect(await Promise.all(statuses)).toEqual(Array.from({ length: 20 }, () => 413));
    },
  );
});

describe('a hostile answer', () => {
  it.each<[string, string]>([
    [
      'Content-Length beside Transfer-Encoding',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok'],
    ['a bad length', 'HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nok'],
    ['a bare LF', 'HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok'],
    ['NUL in a value', 'HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 2\r\n\r\nok'],
    ['a head without end', `HTTP/1.1 200 OK\r\nA: ${'x'.repeat(70_000)}`],
    ['HTTP/2.0', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['status 600', 'HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['101 unasked', 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'],
    ['interim responses without end', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(50)],
  ])('is answered 502, with the cause in the log only: %s', async (_, answer) => {
    const { port, accessLog } = await startAnswering(answer);
    const received = (await rawRequest(port, LAST_GET)).replace(/^(HTTP\/1\.1 103 .*?\r\n\r\n)+/s, '');
    expect(received).toMatch(/^HTTP\/1\.1 502 .*"code":"GW_UPSTREAM_BROKEN"/s);
    expect(accessLog()).toMatchObject([{ status: 502, cause: expect.anything() }]);
  });
});

describe('a target that cannot be used', () => {
  it('is answered 503 with Retry-After where it is not there', async () => {
    const { url, accessLog } = await startGatewayTo(await reserveNobody());
    const answer = await fetch(url);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(await answer.json()).toMatchObject({ code: 'GW_UPSTREAM_UNREACHABLE' });
    expect(JSON.stringify(accessLog()[0]?.cause)).toContain('ECONNREFUSED');
  });

  it('is answered 503 with Retry-After where too many wait for it', async () => {
    const target = await startTarget(() => {});
    const { url } = await startGateway({
      upstreams: { service: { targets: [target.url], maxConnections: 1, maxQueued: 0 } },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    // With nobody allowed to wait, not even the first one gets a connection.
    const answer = await fetch(url);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(await answer.json()).toMatchObject({ code: 'GW_UPSTREAM_BUSY' });
  });

  it('is answered 504 where it sends no head in time', async () => {
    const target = await startTarget(() => {});
    const { url } = await startGateway({
      upstreams: { service: { targets: [target.url], timeouts: { response: '200ms' } } },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    const answer = await fetch(url);
    expect(answer.status).toBe(504);
    expect(await answer.json()).toMatchObject({ code: 'GW_UPSTREAM_TIMEOUT' });
  });

  it('breaks the connection where its body stalls', async () => {
    const target = await startTarget((_, response) => void response.write('begun'));
    const { port } = await startGateway({
      upstreams: { service: { targets: [target.url], timeouts: { idle: '200ms' } } },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    const client = await RawClient.connect(port);
    client.write(GET);
    expect(await client.ended()).toContain('begun');
    expect(client.wasReset).toBe(true);
  });
});

/** Sends `bytes` and returns the status of what comes back, also while the sending fails. */
function uploadStatus(port: number, bytes: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const upload = request(
      { host: LOOPBACK, port, method: 'POST', headers: { 'content-length': bytes } },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    );
    upload.on('error', reject);
    const piece = Buffer.alloc(bytes / 20);
    for (let i = 0; i < 20; i++) upload.write(piece);
    upload.end();
  });
}
