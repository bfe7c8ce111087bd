import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { FORWARDED_METHODS } from '../../src/core/methods.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { fc } from '../support/fast-check.ts';
import {
  RawClient,
  rawRequest,
  released,
  startGateway,
  startGatewayTo,
  startRawTarget,
  startTarget,
} from '../support/harness.ts';
import { hasResponses, readOnly, readResponses } from '../support/raw-responses.ts';
import { until } from '../support/until.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

function get(path: string, ...lines: string[]): string {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
}

/** Waits until the gateway takes no new connections. */
async function refused(port: number): Promise<void> {
  let isOpen = true;
  while (isOpen) {
    isOpen = await RawClient.connect(port).then(
      (client) => {
        client.destroy();
        return true;
      },
      () => false,
    );
  }
}

/** A target that answers with the path it was asked for, when `release` says so. */
async function startHeldTarget(heldPath: string) {
  let release: () => void = () => {};
  const target = await startTarget((request, response) => {
    if (request.url === heldPath) release = () => response.end(request.url);
    else response.end(request.url);
  });
  return { ...target, release: () => release() };
}

describe('keep-alive', () => {
  it('answers many requests on one connection, without saying so', async () => {
    const target = await startTarget((_, response) => response.end('x'));
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    for (let i = 1; i <= 3; i++) {
      client.write(GET);
      await client.until(hasResponses(i));
    }
    const responses = readResponses(client.received);
    expect(responses.map(({ body }) => body)).toEqual(['x', 'x', 'x']);
    expect(responses.every(({ headers }) => headers.connection === undefined)).toBe(true);
  });

  it.each(['close', 'Close', 'keep-alive, close', '\tclose\t', 'x-one,close'])(
    'ends the connection after `Connection: %s`, and says so',
    async (value) => {
      const target = await startTarget((_, response) => response.end('x'));
      const { port } = await startGatewayTo(target);
      const received = await rawRequest(port, get('/', `Connection: ${value}`) + GET);
      expect(readOnly(received).headers.connection).toBe('close');
    },
  );

  it('ignores empty lines between requests', async () => {
    const target = await startTarget((_, response) => response.end('x'));
    const { port } = await startGatewayTo(target);
    const received = await rawRequest(port, `\r\n${GET}\r\n\r\n${get('/', 'Connection: close')}`);
    expect(readResponses(received)).toHaveLength(2);
  });

  it('goes on after an answer that did not wait for the rest of a small body', async () => {
    const target = await startTarget((_, response) => response.end('x'));
    const { port } = await startGatewayTo(target, {
      routes: [
        { id: 'early', path: '/early', respond: { status: 403 } },
        { id: 'all', path: '/*', upstream: 'service' },
      ],
    });
    const client = await RawClient.connect(port);
    client.write('POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345');
    await client.until(hasResponses(1));
    client.write(`67890${GET}`);
    await client.until(hasResponses(2));
    expect(readResponses(client.received).map(({ status }) => status)).toEqual([403, 200]);
  });
});

describe('pipelining', () => {
  it('answers in order though the first answer is the last to be ready', async () => {
    const target = await startHeldTarget('/slow');
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write(get('/slow') + get('/2') + get('/3'));
    await target.request(0);
    for (let i = 0; i < 20; i++) await nextTurn();
    expect(target.requests).toHaveLength(1);
    expect(client.received).toBe('');
    target.release();
    await client.until(hasResponses(3));
    expect(readResponses(client.received).map(({ body }) => body)).toEqual(['/slow', '/2', '/3']);
  });

  const stream =
    get('/one') +
    'POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc' +
    'POST /three HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n' +
    get('/four', 'Connection: close');

  async function startEcho() {
    const target = await startTarget();
    return startGatewayTo(target);
  }

  function echoes(received: string): string[] {
    return readResponses(received).map(({ body }) => {
      const { method, url, body: sent } = JSON.parse(body);
      return `${method} ${url} ${sent}`;
    });
  }

  const expected = ['GET /one ', 'POST /two abc', 'POST /three def', 'GET /four '];

  it('reads the same requests however the bytes are cut in two', async () => {
    const { port } = await startEcho();
    for (let at = 1; at < stream.length; at++) {
      expect(echoes(await rawRequest(port, [stream.slice(0, at), stream.slice(at)])), `cut at ${at}`).toEqual(
        expected,
      );
    }
  });

  it('reads the same requests from single bytes', async () => {
    const { port } = await startEcho();
    expect(echoes(await rawRequest(port, [...stream]))).toEqual(expected);
  });

  it('reads the same requests from random pieces', async () => {
    const { port } = await startEcho();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 }),
        async (sizes) => {
          const pieces: string[] = [];
          for (let at = 0, i = 0; at < stream.length; i++) {
            const size = sizes[i % sizes.length] as number;
            pieces.push(stream.slice(at, at + size));
            at += size;
          }
          expect(echoes(await rawRequest(port, pieces))).toEqual(expected);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('does not take up the next request while the answer before it waits for the client', async () => {
    const body = Buffer.alloc(60_000, 'x');
    const target = await startTarget((_, response) => response.end(body));
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.socket.pause();
    const count = 800;
    client.write(GET.repeat(count));
    // Until neither the client's system nor the gateway takes more.
    let seen = -1;
    while (target.requests.length !== seen) {
      seen = target.requests.length;
      for (let i = 0; i < 200; i++) await nextTurn();
    }
    expect(seen).toBeLessThan(count / 2);
    client.socket.resume();
    await client.until((received) => received.length > count * body.length);
    await client.until(hasResponses(count));
  });

  it('by the thousand lets others have their turn, and is answered to the end though the client has said all', async () => {
    const routes = [{ id: 'all', path: '/*', respond: { status: 200, body: 'answered' } }];
    const { port } = await startGateway({ routes });
    const [greedy, modest] = [await RawClient.connect(port), await RawClient.connect(port)];
    const count = 1500;
    greedy.write(GET.repeat(count));
    greedy.end();
    modest.write(GET);
    await modest.until((received) => received.includes('answered'));
    expect(greedy.received.split('answered').length - 1).toBeLessThan(count / 2);
    expect((await greedy.ended()).split('answered').length - 1).toBe(count);
  });
});

describe('HTTP/1.0', () => {
  it('ends the connection after the answer', async () => {
    const target = await startTarget((_, response) => response.end('x'));
    const { port } = await startGatewayTo(target);
    const response = readOnly(await rawRequest(port, 'GET / HTTP/1.0\r\n\r\n'));
    expect(response).toMatchObject({ status: 200, body: 'x', headers: { connection: 'close' } });
  });

  it('keeps the connection where asked to, and says so', async () => {
    const target = await startTarget((_, response) => response.end('x'));
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    for (let i = 1; i <= 2; i++) {
      client.write('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n');
      await client.until(hasResponses(i));
    }
    expect(readResponses(client.received)[1]?.headers).toMatchObject({
      connection: 'keep-alive',
      'content-length': '1',
    });
  });

  it('ends an answer of unknown length with the connection, without chunks', async () => {
    const target = await startTarget((_, response) => {
      response.write('one ');
      response.end('two');
    });
    const { port } = await startGatewayTo(target);
    const received = await rawRequest(port, 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    expect(readOnly(received)).toMatchObject({
      body: 'one two',
      delimiter: 'close',
      headers: { connection: 'close' },
    });
  });

  it('is never sent an interim response', async () => {
    const target = await startTarget((_, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      response.end('x');
    });
    const { port } = await startGatewayTo(target);
    const received = await rawRequest(port, 'GET / HTTP/1.0\r\n\r\n');
    expect(received.startsWith('HTTP/1.1 200 ')).toBe(true);
    const modern = await rawRequest(port, get('/', 'Connection: close'));
    expect(readResponses(modern).map(({ status }) => status)).toEqual([103, 200]);
  });
});

describe('empty lines between requests', () => {
  it.each(['\r\n', '\n', '\r\n\r\n\r\n'])('begin no request that could be late: %j', async (lines) => {
    const target = await startTarget((_, response) => response.end('x'));
    const clock = new StubClock();
    const { port } = await startGatewayTo(target, {}, { clock });
    const client = await RawClient.connect(port);
    client.write(GET + lines);
    await client.until(hasResponses(1));
    client.write(lines);
    await rest(clock, 30);
    client.write(GET);
    await client.until(hasResponses(2));
    client.end();
    expect(readResponses(await client.ended()).map(({ status }) => status)).toEqual([200, 200]);
  });

  it('begin none that could be incomplete when the client ends', async () => {
    const target = await startTarget((_, response) => response.end('x'));
    const { port } = await startGatewayTo(target);
    for (const bytes of [`${GET}\r\n`, `\r\n${GET}`, `${GET}\r\n\r\n${GET}\r\n`]) {
      const client = await RawClient.connect(port);
      client.write(bytes);
      await client.until(hasResponses(1));
      client.end();
      const statuses = readResponses(await client.ended()).map(({ status }) => status);
      expect(new Set(statuses)).toEqual(new Set([200]));
    }
    expect(target.requests).toHaveLength(4);
  });

  it('behind a request do not hide that its client has left', async () => {
    const target = await startHeldTarget('/slow');
    const gateway = await startGatewayTo(target);
    const client = await RawClient.connect(gateway.port);
    client.write(`${get('/slow')}\r\n`);
    await target.request(0);
    client.destroy();
    await until(() => gateway.accessLog().length === 1);
    expect(gateway.accessLog()).toMatchObject([{ code: 'GW_CLIENT_CLOSED' }]);
  });

  it('do not keep a connection that idles', async () => {
    const clock = new StubClock();
    const target = await startTarget((_, response) => response.end('x'));
    const { port } = await startGatewayTo(target, {}, { clock });
    const client = await RawClient.connect(port);
    client.write(GET);
    await client.until(hasResponses(1));
    for (let second = 0; second < 80; second += 10) {
      client.write('\r\n');
      await rest(clock, 10);
    }
    expect(readResponses(await client.ended())).toHaveLength(1);
  });
});

/** Lets time pass on a connection. */
async function rest(clock: StubClock, seconds: number): Promise<void> {
  for (let passed = 0; passed < seconds; passed++) {
    clock.advance(1000);
    await nextTurn();
  }
}

describe('what a target is asked', () => {
  it.each(FORWARDED_METHODS)('is a request with %s, which a route can name', async (method) => {
    const target = await startTarget((_, response) => response.end());
    const route = { id: 'all', path: '/*', methods: [method], upstream: 'service' };
    const { port } = await startGatewayTo(target, { routes: [route] });
    await rawRequest(port, `${method} /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    expect(target.requests.map((request) => request.method)).toEqual([method]);
  });

  it('keeps the `?` of an empty query', async () => {
    const target = await startTarget((_, response) => response.end());
    const { port } = await startGatewayTo(target);
    const paths = ['/x?', '/x', '/x??', '/?', '/a/../x?', '/x?a'];
    for (const path of [...paths, 'http://a/y?', 'http://a?'])
      await rawRequest(port, get(path, 'Connection: close'));
    expect(target.requests.map(({ url }) => url)).toEqual([
      ...['/x?', '/x', '/x??', '/?', '/x?', '/x?a'],
      ...['/y?', '/?'],
    ]);
  });

  it('goes by the Host without its empty port', async () => {
    const target = await startTarget((_, response) => response.end());
    const route = { id: 'named', path: '/*', hosts: ['x.test'], upstream: 'service' };
    const { port } = await startGatewayTo(target, { routes: [route] });
    await rawRequest(port, 'GET / HTTP/1.1\r\nHost: x.test:\r\nConnection: close\r\n\r\n');
    expect(target.requests.map(({ headers }) => headers.host)).toEqual(['x.test']);
  });
});

describe('a client that closes its side', () => {
  it('after a whole request still gets the answer', async () => {
    const target = await startHeldTarget('/slow');
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write(get('/slow'));
    client.end();
    await target.request(0);
    await client.until((received) => received.includes('100 Continue'));
    target.release();
    expect(readOnly(await client.ended()).body).toBe('/slow');
  });

  it('is not flooded with signs of life', async () => {
    const target = await startHeldTarget('/slow');
    const clock = new StubClock();
    const { port } = await startGatewayTo(target, {}, { clock });
    const client = await RawClient.connect(port);
    client.write(get('/slow'));
    client.end();
    await client.until((received) => received.includes('100 Continue'));
    for (let second = 0; second < 60; second += 0.1) {
      clock.advance(100);
      await nextTurn();
    }
    target.release();
    const signs = (await client.ended()).split('100 Continue').length - 1;
    // Each pause is twice the one before it, up to ten seconds.
    expect(signs).toBeGreaterThan(8);
    expect(signs).toBeLessThan(15);
  });

  it('after several pipelined requests gets all answers', async () => {
    const target = await startHeldTarget('/slow');
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write(get('/slow') + get('/2'));
    client.end();
    await target.request(0);
    target.release();
    const responses = readResponses(await client.ended()).filter(({ status }) => status >= 200);
    expect(responses.map(({ body }) => body)).toEqual(['/slow', '/2']);
  });

  it('with HTTP/1.0 gets the answer and nothing before it', async () => {
    const target = await startHeldTarget('/slow');
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write('GET /slow HTTP/1.0\r\n\r\n');
    client.end();
    await target.request(0);
    target.release();
    expect(readResponses(await client.ended())).toMatchObject([{ status: 200, body: '/slow' }]);
  });

  it('within a head is told so', async () => {
    const target = await startTarget();
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write('GET / HTTP/1.1\r\nHos');
    client.end();
    expect(readOnly(await client.ended()).status).toBe(400);
  });

  it('before any request gets the same', async () => {
    const target = await startTarget();
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.end();
    expect(await client.ended()).toBe('');
    expect(client.wasReset).toBe(false);
  });
});

describe('a client that leaves', () => {
  it.each([
    { how: 'with a reset', abruptly: true },
    { how: 'with FIN', abruptly: false },
  ])('$how frees the target before the answer has begun', async ({ abruptly }) => {
    const target = await startRawTarget((socket) => socket.resume());
    const gateway = await startGatewayTo(target);
    const client = await RawClient.connect(gateway.port);
    client.write(GET);
    const socket = await target.socket(0);
    client.destroy(abruptly);
    await released(socket);
    expect(gateway.accessLog()).toMatchObject([{ code: 'GW_CLIENT_CLOSED', status: 0 }]);
  });

  it('frees the target while it streams', async () => {
    const target = await startRawTarget((socket) => {
      // Not before it is asked: what comes then would end the connection, and another one would serve.
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        const timer = setInterval(() => socket.write('more'), 5);
        socket.on('end', () => clearInterval(timer)).on('close', () => clearInterval(timer));
      });
    });
    const gateway = await startGatewayTo(target);
    const client = await RawClient.connect(gateway.port);
    client.write(GET);
    await client.until((received) => received.includes('more'));
    client.destroy();
    await released(await target.socket(0));
    const [line] = gateway.accessLog();
    expect(line).toMatchObject({ code: 'GW_CLIENT_CLOSED', status: 200 });
    expect(line?.bytes).toBeGreaterThanOrEqual(4);
  });

  it('within its request body frees the target', async () => {
    const target = await startRawTarget((socket) => socket.resume());
    const gateway = await startGatewayTo(target);
    const client = await RawClient.connect(gateway.port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123');
    const socket = await target.socket(0);
    client.end();
    await released(socket);
    expect(gateway.accessLog()).toMatchObject([{ code: 'GW_CLIENT_CLOSED', status: 0 }]);
  });
});

describe('the limit on connections', () => {
  it('answers 503 to those above it, and takes new ones when others have left', async () => {
    const target = await startTarget((_, response) => response.end('x'));
    const { port } = await startGatewayTo(target, { limits: { connections: 2 } });
    const first = await RawClient.connect(port);
    const second = await RawClient.connect(port);
    for (const client of [first, second]) {
      client.write(GET);
      await client.until(hasResponses(1));
    }
    const refused = readOnly(await rawRequest(port, GET));
    expect(refused).toMatchObject({ status: 503, headers: { connection: 'close', 'retry-after': '1' } });
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'GW_TOO_MANY_CONNECTIONS' });
    first.end();
    await first.ended();
    // Its port is told of that by an event of its own.
    await until(async () => readOnly(await rawRequest(port, get('/', 'Connection: close'))).status === 200);
  });

  it('is less for one address, unless that is a trusted proxy', async () => {
    const target = await startTarget((_, response) => response.end('x'));
    const holdTwo = async (port: number) => {
      for (const client of [await RawClient.connect(port), await RawClient.connect(port)]) {
        client.write(GET);
        await client.until(hasResponses(1));
      }
    };
    const limits = { connectionsPerAddress: 2 };
    const { port } = await startGatewayTo(target, { limits });
    await holdTwo(port);
    expect(readOnly(await rawRequest(port, GET))).toMatchObject({ status: 503 });
    const { port: other } = await startGatewayTo(target, { limits, trustedProxies: ['127.0.0.0/8'] });
    await holdTwo(other);
    expect(readOnly(await rawRequest(other, get('/', 'Connection: close')))).toMatchObject({ status: 200 });
  });
});

describe('draining', () => {
  const drain = { delay: '0s', timeout: '10s' };

  it('lets the answer under way be the last, closes idle connections, and ends', async () => {
    const target = await startHeldTarget('/slow');
    const { port, gateway } = await startGatewayTo(target, { drain });
    const [busy, idle, fresh] = [
      await RawClient.connect(port),
      await RawClient.connect(port),
      await RawClient.connect(port),
    ];
    idle.write(GET);
    await idle.until(hasResponses(1));
    busy.write(get('/slow') + get('/never'));
    await target.request(1);
    const closing = gateway.close();
    idle.received = '';
    expect(await idle.ended()).toBe('');
    expect(await fresh.ended()).toBe('');
    idle.end();
    fresh.end();
    expect(gateway.state).toBe('draining');
    target.release();
    expect(readOnly(await busy.ended())).toMatchObject({ body: '/slow', headers: { connection: 'close' } });
    busy.end();
    await closing;
    expect(gateway.state).toBe('closed');
    await expect(RawClient.connect(port)).rejects.toThrow();
  });

  it('lets a body that has begun come to its end', async () => {
    let more: () => void = () => {};
    const target = await startTarget((_, response) => {
      response.write('one ');
      more = () => response.end('two');
    });
    const { port, gateway } = await startGatewayTo(target, { drain });
    const client = await RawClient.connect(port);
    client.write(GET);
    await client.until((received) => received.includes('one'));
    const closing = gateway.close();
    await nextTurn();
    more();
    expect(readOnly(await client.ended()).body).toBe('one two');
    client.end();
    await closing;
  });

  it('takes a request whose head had begun', async () => {
    const target = await startTarget((_, response) => response.end('x'));
    const { port, gateway } = await startGatewayTo(target, { drain });
    const client = await RawClient.connect(port);
    await client.writePieces(['GET / HT']);
    const closing = gateway.close();
    await refused(port);
    client.write('TP/1.1\r\nHost: a\r\n\r\n');
    expect(readOnly(await client.ended())).toMatchObject({ status: 200, headers: { connection: 'close' } });
    client.end();
    await closing;
  });

  it('cuts what is left when the time is over', async () => {
    const target = await startRawTarget((socket) => socket.resume());
    const { port, gateway } = await startGatewayTo(target, { drain: { delay: '0s', timeout: '50ms' } });
    const client = await RawClient.connect(port);
    client.write(GET);
    await target.socket(0);
    await gateway.close();
    expect(await client.ended()).toBe('');
  });
});
