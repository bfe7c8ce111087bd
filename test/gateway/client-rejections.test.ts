import { describe, expect, it } from 'vitest';
import { StubClock } from '../observability/stub-clock.ts';
import { RawClient, rawRequest, startGatewayTo, startRawTarget, startTarget } from '../support/harness.ts';
import { hasResponses, type RawResponse, readOnly, readResponses } from '../support/raw-responses.ts';
import { settled } from '../support/until.ts';

function expectProblem(response: RawResponse, status: number, code: string): void {
  expect(response).toMatchObject({ status, headers: { 'content-type': 'application/problem+json' } });
  expect(JSON.parse(response.body)).toMatchObject({
    type: `urn:sallyport:error:${code}`,
    title: expect.any(String),
    status,
    code,
    requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
}

describe('what is not a request that the gateway takes', () => {
  const host = 'Host: a\r\n\r\n';
  it.each<[name: string, bytes: string, status: number, code: string]>([
    ['noise', '\x16\x03\x01\x02\x00\x01\x00', 400, 'GW_BAD_REQUEST'],
    ['a bare word', 'hello\r\n\r\n', 400, 'GW_BAD_REQUEST'],
    ['a space in a header name', `GET / HTTP/1.1\r\nX Y: 1\r\n${host}`, 400, 'GW_BAD_REQUEST'],
    ['a space before the colon', `GET / HTTP/1.1\r\nX : 1\r\n${host}`, 400, 'GW_BAD_REQUEST'],
    ['a folded line', `GET / HTTP/1.1\r\nX: 1\r\n 2\r\n${host}`, 400, 'GW_BAD_REQUEST'],
    ['NUL in a value', `GET / HTTP/1.1\r\nX: 1\0\r\n${host}`, 400, 'GW_BAD_REQUEST'],
    ['a bare CR', `GET / HTTP/1.1\r\nX: 1\r2\r\n${host}`, 400, 'GW_BAD_REQUEST'],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400, 'GW_BAD_HOST'],
    ['two Hosts', `GET / HTTP/1.1\r\nHost: a\r\n${host}`, 400, 'GW_BAD_HOST'],
    ['a Host that is none', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400, 'GW_BAD_HOST'],
    [
      'two lengths',
      `POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n${host}`,
      400,
      'GW_BAD_REQUEST',
    ],
    [
      'length and chunks',
      `POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n${host}`,
      400,
      'GW_BAD_REQUEST',
    ],
    [
      'a coding that is not chunked',
      `POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n${host}`,
      400,
      'GW_BAD_FRAMING',
    ],
    ['chunks in HTTP/1.0', `POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n${host}`, 400, 'GW_BAD_FRAMING'],
    ['a method that nobody knows', `FROBNICATE / HTTP/1.1\r\n${host}`, 501, 'GW_METHOD_UNKNOWN'],
    ['TRACE', `TRACE / HTTP/1.1\r\n${host}`, 501, 'GW_METHOD_UNKNOWN'],
    ['CONNECT', `CONNECT a:443 HTTP/1.1\r\n${host}`, 501, 'GW_METHOD_UNKNOWN'],
    ['HTTP/2 by prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, 'GW_VERSION_UNSUPPORTED'],
    ['HTTP/1', `GET / HTTP/1\r\n${host}`, 400, 'GW_BAD_REQUEST'],
    ['HTTP/01.01', `GET / HTTP/01.01\r\n${host}`, 400, 'GW_BAD_REQUEST'],
    ['HTTP/3.0', `GET / HTTP/3.0\r\n${host}`, 505, 'GW_VERSION_UNSUPPORTED'],
  ])('%s is answered with its code, and the connection ends', async (_, bytes, status, code) => {
    const target = await startTarget();
    const gateway = await startGatewayTo(target);
    const response = readOnly(await rawRequest(gateway.port, bytes));
    expectProblem(response, status, code);
    expect(response.headers.connection).toBe('close');
    expect(gateway.accessLog()).toMatchObject([{ status, code }]);
    expect(target.requests).toEqual([]);
  });

  it('is refused though it comes behind a request that is fine', async () => {
    const target = await startTarget((_, response) => response.end('x'));
    const { port } = await startGatewayTo(target);
    const received = await rawRequest(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n');
    const [first, second] = readResponses(received);
    expect(first?.status).toBe(200);
    expectProblem(second as RawResponse, 400, 'GW_BAD_HOST');
  });

  it('has no effect on what follows it on the wire', async () => {
    const target = await startTarget((_, response) => response.end('x'));
    const { port } = await startGatewayTo(target);
    const received = await rawRequest(port, `GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n${host}`);
    expectProblem(readOnly(received), 400, 'GW_BAD_HOST');
    expect(target.requests).toEqual([]);
  });
});

describe('a malformed chunked body', () => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';

  it('is answered 400, and the target never sees it as whole', async () => {
    const target = await startRawTarget((socket) => socket.resume());
    let forwarded = '';
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write(`${head}3\r\nabc\r\n`);
    (await target.socket(0)).on('data', (chunk) => {
      forwarded += chunk;
    });
    client.write('xyz\r\n');
    expectProblem(readOnly(await client.ended()), 400, 'GW_BAD_REQUEST');
    expect(forwarded).not.toContain('0\r\n\r\n');
  });

  it('breaks an answer that has begun', async () => {
    const target = await startTarget((request, response) => {
      request.resume();
      response.write('begun');
    });
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write(`${head}3\r\nabc\r\n`);
    await client.until((received) => received.includes('begun'));
    client.write('xyz\r\n');
    expect(await client.ended()).not.toContain('0\r\n\r\n');
    expect(client.isClosed && client.wasReset).toBe(true);
  });

  it('is refused where its framing is larger than a head may be', async () => {
    const target = await startTarget();
    const { port } = await startGatewayTo(target);
    const received = await rawRequest(port, `${head}1;${'x'.repeat(20_000)}\r\na\r\n0\r\n\r\n`);
    expectProblem(readOnly(received), 400, 'GW_BAD_REQUEST');
  });
});

describe('limits', () => {
  function get(path: string, ...lines: string[]): string {
    return `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
  }

  async function startLimited() {
    const target = await startTarget((_, response) => response.end('x'));
    const limits = { headerBytes: '1KiB', urlBytes: '100B', headerCount: 10 };
    return startGatewayTo(target, { limits });
  }

  it('on the request target answer 414 from the first byte too many', async () => {
    const { port } = await startLimited();
    expect(readOnly(await rawRequest(port, get(`/${'a'.repeat(99)}`))).status).toBe(200);
    expectProblem(readOnly(await rawRequest(port, get(`/${'a'.repeat(100)}`))), 414, 'GW_URI_TOO_LONG');
  });

  it('on the head answer 431 from the first byte too many', async () => {
    const { port } = await startLimited();
    const bare = get('/', 'X: ').length;
    expect(readOnly(await rawRequest(port, get('/', `X: ${'a'.repeat(1024 - bare)}`))).status).toBe(200);
    const response = readOnly(await rawRequest(port, get('/', `X: ${'a'.repeat(1025 - bare)}`)));
    expectProblem(response, 431, 'GW_HEADERS_TOO_LARGE');
  });

  it('on the number of fields answer 431 from the first too many', async () => {
    const { port } = await startLimited();
    const fields = (count: number) => Array.from({ length: count }, (_, i) => `x${i}: 1`);
    expect(readOnly(await rawRequest(port, get('/', ...fields(8)))).status).toBe(200);
    expectProblem(readOnly(await rawRequest(port, get('/', ...fields(9)))), 431, 'GW_HEADERS_TOO_LARGE');
  });

  it('hold for a head that never ends, and for one in single bytes', async () => {
    const { port } = await startLimited();
    const endless = `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(5000)}`;
    expectProblem(readOnly(await rawRequest(port, endless)), 431, 'GW_HEADERS_TOO_LARGE');
    const endlessTarget = `GET /${'a'.repeat(200)}`;
    expectProblem(readOnly(await rawRequest(port, [...endlessTarget])), 414, 'GW_URI_TOO_LONG');
    expectProblem(readOnly(await rawRequest(port, '\r\n'.repeat(600))), 431, 'GW_HEADERS_TOO_LARGE');
  });

  it('on bodies answer 413, whether the length is told or not', async () => {
    const target = await startTarget();
    const { port } = await startGatewayTo(target, { policies: [{ 'body-limit': { max: '10B' } }] });
    const told = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n';
    expectProblem(
      readOnly(await rawRequest(port, told, { until: hasResponses(1) })),
      413,
      'GW_BODY_TOO_LARGE',
    );
    const untold =
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n';
    expectProblem(
      readOnly(await rawRequest(port, untold, { until: hasResponses(1) })),
      413,
      'GW_BODY_TOO_LARGE',
    );
  });
});

describe('routes', () => {
  it('that do not exist are answered 404, methods that they do not take 405 with Allow', async () => {
    const target = await startTarget();
    const { port } = await startGatewayTo(target, {
      routes: [{ id: 'r', path: '/r', methods: ['GET', 'PUT'], upstream: 'service' }],
    });
    const received = await rawRequest(
      port,
      'GET /x HTTP/1.1\r\nHost: a\r\n\r\nDELETE /r HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );
    const [missing, refused] = readResponses(received);
    expectProblem(missing as RawResponse, 404, 'GW_NO_ROUTE');
    expectProblem(refused as RawResponse, 405, 'GW_METHOD_NOT_ALLOWED');
    expect(refused?.headers.allow?.split(', ').sort()).toEqual(['GET', 'HEAD', 'OPTIONS', 'PUT']);
  });
});

describe('a client that takes too long', () => {
  const post = 'POST / HTTP/1.1\r\nHost: a\r\n';

  async function startImpatient(limits: NonNullable<Parameters<typeof startGatewayTo>[1]>['limits']) {
    const target = await startTarget();
    return startGatewayTo(target, { limits: { ...limits } });
  }

  it('for a head is answered 408', async () => {
    const { port, accessLog } = await startImpatient({ headerTimeout: '150ms' });
    const received = await rawRequest(port, 'GET / HTTP/1.1\r\nHos');
    expectProblem(readOnly(received), 408, 'GW_REQUEST_TIMEOUT');
    expect(accessLog()).toMatchObject([{ code: 'GW_REQUEST_TIMEOUT' }]);
  });

  it('for a head of which a byte comes now and then is answered 408', async () => {
    const { port } = await startImpatient({ headerTimeout: '200ms' });
    const client = await RawClient.connect(port);
    client.write('GET / HTTP/1.1\r\nX: ');
    const timer = setInterval(() => client.write('x'), 20);
    // What is sent behind the end of the linger would reset the connection, and take the answer away.
    await client.until((received) => received.length > 0);
    clearInterval(timer);
    expectProblem(readOnly(await client.ended()), 408, 'GW_REQUEST_TIMEOUT');
  });

  it('to send anything at all is let go without a word', async () => {
    const { port, accessLog } = await startImpatient({ headerTimeout: '150ms' });
    expect(await rawRequest(port, '')).toBe('');
    expect(accessLog()).toEqual([]);
  });

  it('between requests is let go without a word', async () => {
    const { port } = await startImpatient({ keepAlive: '150ms' });
    const client = await RawClient.connect(port);
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const received = await client.ended();
    expect(readOnly(received).status).toBe(200);
    expect(client.wasReset).toBe(false);
  });

  it.each([
    ['known', `${post}Content-Length: 10\r\n\r\n123`],
    ['chunked', `${post}Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n`],
  ])('within a body of %s length is answered 408, and the connection ends', async (_, bytes) => {
    const { port, accessLog } = await startImpatient({ bodyIdle: '150ms' });
    const response = readOnly(await rawRequest(port, bytes));
    expectProblem(response, 408, 'GW_REQUEST_TIMEOUT');
    expect(response.headers.connection).toBe('close');
    expect(accessLog()).toMatchObject([{ code: 'GW_REQUEST_TIMEOUT', status: 408 }]);
  });

  it('in all, sending few bytes at a time, is answered 408', async () => {
    const { port } = await startImpatient({ bodyMinRate: '1KiB', bodyMinRateAfter: '200ms' });
    const client = await RawClient.connect(port);
    client.write(`${post}Content-Length: 1000000\r\n\r\n`);
    const timer = setInterval(() => client.write('x'), 20);
    // What is sent behind the end of the linger would reset the connection, and take the answer away.
    await client.until((received) => received.length > 0);
    clearInterval(timer);
    expectProblem(readOnly(await client.ended()), 408, 'GW_REQUEST_TIMEOUT');
  });

  it('for a whole request is answered 408, in its head or in its body', async () => {
    const { port } = await startImpatient({ requestTimeout: '150ms' });
    const [head, body] = await Promise.all([
      rawRequest(port, 'GET / HTTP/1.1\r\n'),
      rawRequest(port, `${post}Content-Length: 10\r\n\r\n`),
    ]);
    expectProblem(readOnly(head), 408, 'GW_REQUEST_TIMEOUT');
    expectProblem(readOnly(body), 408, 'GW_REQUEST_TIMEOUT');
  });

  it('is not the one whose body waits for a slow target', async () => {
    const bytes = 16 * 1024 * 1024;
    const target = await startRawTarget((socket) => {
      let received = 0;
      socket.pause();
      socket.on('data', (chunk) => {
        received += chunk.length;
        if (received > bytes) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    const limits = { bodyIdle: '2s', bodyMinRate: '1MiB', bodyMinRateAfter: '5s' };
    const clock = new StubClock();
    const { port } = await startGatewayTo(target, { limits }, { clock });
    const client = await RawClient.connect(port);
    client.write(`${post}Content-Length: ${bytes}\r\n\r\n`);
    client.write(Buffer.alloc(bytes));
    const socket = await target.socket(0);
    await settled(() => client.socket.writableLength);
    for (let second = 0; second < 60; second += 0.1) clock.advance(100);
    socket.resume();
    expect(readOnly(await client.until(hasResponses(1))).body).toBe('ok');
  });
});
