import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { type BodySource, bodyFromIterable, iterateBody, readBody } from '../../src/core/body.ts';
import type { Exchange } from '../../src/core/exchange.ts';
import type { PolicyInstance } from '../../src/core/policy.ts';
import {
  type RawClient as Client,
  RawClient,
  rawRequest,
  released,
  startGatewayTo,
  startRawTarget,
  startTarget,
  type TestGateway,
} from '../support/harness.ts';
import { until } from '../support/until.ts';
import { scripts } from './fixtures/scripted-policy.ts';

const customPolicies = {
  'test/scripted': fileURLToPath(new URL('./fixtures/scripted-policy.ts', import.meta.url)),
};
const GET = 'GET /a HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n';

afterEach(() => scripts.clear());

/** Starts a gateway on whose only route one policy does what `instance` says. */
function startWith(target: { readonly url: string }, ...instances: PolicyInstance[]): Promise<TestGateway> {
  for (const [i, instance] of instances.entries()) scripts.set(`script-${i}`, () => instance);
  const policies = instances.map((_, i) => ({ 'test/scripted': { script: `script-${i}` } }));
  return startGatewayTo(target, { customPolicies, policies });
}

async function* count(to: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < to; i++) yield Buffer.from(`${i};`);
}

/** A promise and what settles it. */
function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}

describe('a custom policy that fails', () => {
  it.each<[string, PolicyInstance]>([
    [
      'throws',
      {
        onRequest: () => {
          throw new Error('secret');
        },
      },
    ],
    [
      'rejects',
      {
        onRequest: async () => {
          throw new Error('secret');
        },
      },
    ],
    [
      'throws no error',
      {
        onRequest: () => {
          throw undefined;
        },
      },
    ],
    [
      'throws late',
      {
        onResponse: () => {
          throw new Error('secret');
        },
      },
    ],
    [
      'rejects late',
      {
        onResponse: async () => {
          throw new Error('secret');
        },
      },
    ],
    [
      'cannot map the body',
      {
        onResponse: () => ({
          mapBody: () => {
            throw new Error('secret');
          },
        }),
      },
    ],
    ['returns nonsense', { onRequest: () => 17 as never }],
  ])('answers 500 where it %s, and says nothing of why', async (_, instance) => {
    const target = await startTarget();
    const { port, log } = await startWith(target, instance);
    const answer = await rawRequest(port, GET);
    expect(answer).toMatch(/^HTTP\/1\.1 500 /);
    expect(answer).toContain('"code":"GW_POLICY_FAILED"');
    expect(answer).not.toContain('secret');
    expect(log.lines().some(({ msg }) => msg === 'policy failed')).toBe(true);
    expect(target.requests).toHaveLength(instance.onRequest ? 0 : 1);
  });

  it('frees the target whose answer it refused', async () => {
    const target = await startRawTarget((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc'));
    });
    const { port } = await startWith(target, { onResponse: () => ({ status: 403, body: 'no' }) });
    expect(await rawRequest(port, GET)).toMatch(/^HTTP\/1\.1 403 .*no$/s);
    await released(await target.socket(0));
  });
});

describe('a custom policy that answers', () => {
  it.each([
    ['onRequest', 0],
    ['onResponse', 1],
  ] as const)('sends a stream from %s', async (moment, requests) => {
    const target = await startTarget();
    const { port, accessLog } = await startWith(target, {
      [moment]: async () => ({ status: 203, body: bodyFromIterable(count(4)) }),
    });
    const answer = await rawRequest(port, GET);
    expect(answer).toMatch(/^HTTP\/1\.1 203 .*\r\n\r\n2\r\n0;\r\n.*3;\r\n0\r\n\r\n$/s);
    expect(target.requests).toHaveLength(requests);
    expect(accessLog()).toMatchObject([{ status: 203 }]);
  });

  it('is told when the client of a stream without end has left', async () => {
    const stopped = deferred();
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        while (true) {
          yield Buffer.alloc(1000);
          await new Promise((resolve) => setImmediate(resolve));
        }
      } finally {
        stopped.resolve();
      }
    }
    const target = await startTarget();
    for (const moment of ['onRequest', 'onResponse']) {
      const { port } = await startWith(target, {
        [moment]: () => ({ status: 200, body: bodyFromIterable(endless()) }),
      });
      const client = await RawClient.connect(port);
      client.write(GET);
      await client.until((received) => received.length > 5000);
      client.destroy();
      await stopped.promise;
    }
  });
});

describe('a custom policy that takes its time', () => {
  it('holds the request until it is done', async () => {
    const target = await startTarget();
    const { promise, resolve } = deferred();
    const { port } = await startWith(target, { onRequest: () => promise });
    const client = await RawClient.connect(port);
    client.write(GET);
    await new Promise((wait) => setTimeout(wait, 20));
    expect(target.requests).toHaveLength(0);
    resolve();
    expect(await client.ended()).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('has a signal that aborts when the client leaves', async () => {
    const target = await startTarget();
    const begun = deferred();
    const aborted = deferred();
    const finished: number[] = [];
    const { port, accessLog } = await startWith(target, {
      onRequest(exchange) {
        exchange.signal.addEventListener('abort', aborted.resolve);
        begun.resolve();
        return new Promise<undefined>(() => {});
      },
      onFinish: (exchange) => void finished.push(exchange.status),
    });
    const client = await RawClient.connect(port);
    client.write(GET);
    await begun.promise;
    client.destroy();
    await aborted.promise;
    expect(finished).toEqual([0]);
    expect(accessLog()).toMatchObject([{ code: 'GW_CLIENT_CLOSED' }]);
    expect(target.requests).toHaveLength(0);
  });

  it('does not touch who has its connection to the target by now, when its client leaves', async () => {
    let received = '';
    const target = await startRawTarget((socket) => socket.on('data', (bytes) => (received += bytes)));
    const begun = deferred();
    const { port, accessLog } = await startWith(target, {
      onResponse({ path }) {
        if (path !== '/held') return undefined;
        begun.resolve();
        return new Promise(() => {});
      },
    });
    const leaving = await RawClient.connect(port);
    leaving.write('POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc');
    await until(() => received.endsWith('abc'));
    const socket = await target.socket(0);
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    await begun.promise;
    const staying = await RawClient.connect(port);
    staying.write('POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n123');
    await until(() => received.endsWith('123'));
    leaving.destroy();
    await until(() => accessLog().length === 1);
    staying.write('456');
    await until(() => received.endsWith('123456'));
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    expect(await staying.until((text) => text.endsWith('\r\n\r\nok'))).toMatch(/^HTTP\/1\.1 200 /);
    expect(target.sockets).toHaveLength(1);
  });

  it('keeps a large answer waiting, which comes through whole', async () => {
    const body = Buffer.alloc(16 * 1024 * 1024);
    for (let i = 0; i < body.length; i += 4) body.writeUInt32LE(Math.imul(i, 2654435761) >>> 0, i);
    const target = await startTarget((_, response) => {
      response.setHeader('content-length', body.length);
      response.end(body);
    });
    const slow: PolicyInstance = {
      async onResponse(_, head) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        head.headers.append('x-slow', '1');
      },
    };
    const { url } = await startWith(target, slow, slow);
    const answers = await Promise.all(Array.from({ length: 4 }, () => fetch(`${url}/big`)));
    for (const answer of answers) {
      expect(answer.headers.get('x-slow')).toBe('1, 1');
      expect(sha256(Buffer.from(await answer.arrayBuffer()))).toBe(sha256(body));
    }
  });

  it('keeps small answers of every framing waiting', async () => {
    const answers: Record<string, string> = {
      length: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
      chunked: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
      close: 'HTTP/1.1 200 OK\r\n\r\nhello',
    };
    const target = await startRawTarget((socket) => {
      socket.on('data', (head) => {
        const kind = /^GET \/(\w+)/.exec(head.toString())?.[1] ?? '';
        socket.write(answers[kind] ?? '');
        if (kind === 'close') socket.end();
      });
    });
    const { url } = await startWith(target, {
      onResponse: () => new Promise((resolve) => setTimeout(resolve, 10)),
    });
    for (const kind of Object.keys(answers)) {
      expect(await (await fetch(`${url}/${kind}`)).text()).toBe('hello');
    }
  });
});

describe('a custom policy that maps bodies', () => {
  const upperCase = (source: BodySource): BodySource => {
    async function* upper(): AsyncGenerator<Uint8Array> {
      for await (const chunk of iterateBody(source)) yield Buffer.from(chunk.toString().toUpperCase());
    }
    return bodyFromIterable(upper(), source.length);
  };

  it('changes the answer as it flows', async () => {
    const target = await startTarget((_, response) => {
      for (let i = 0; i < 200; i++) response.write(`line ${i} ${'x'.repeat(1000)}\n`);
      response.end('end');
    });
    const { url } = await startWith(target, { onResponse: () => ({ mapBody: upperCase }) });
    const text = await (await fetch(url)).text();
    expect(text).toHaveLength(200 * 1001 + [...Array(200).keys()].join('').length + 200 * 6 + 3);
    expect(text).toBe(text.toUpperCase());
    expect(text.endsWith('END')).toBe(true);
  });

  it('changes the answer after it was asked for later', async () => {
    const target = await startTarget((_, response) => response.end('hello'));
    const mapping = { mapBody: upperCase };
    const { url } = await startWith(
      target,
      { onResponse: async () => mapping },
      { onResponse: () => mapping },
    );
    expect(await (await fetch(url)).text()).toBe('HELLO');
  });

  it('changes the request', async () => {
    const target = await startTarget();
    const { url } = await startWith(target, {
      onRequest: (exchange: Exchange) => {
        exchange.body = upperCase(exchange.body);
      },
    });
    const answer = await fetch(url, { method: 'POST', body: 'hello' });
    expect(await answer.json()).toMatchObject({ body: 'HELLO' });
  });

  it('breaks the connection where the body that it makes breaks', async () => {
    const target = await startTarget((_, response) => response.end('hello'));
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('hel');
      throw new Error('broken');
    }
    const { port, accessLog } = await startWith(target, {
      onResponse: () => ({
        mapBody(source) {
          source.cancel();
          return bodyFromIterable(broken());
        },
      }),
    });
    const answer = await rawRequest(port, GET);
    expect(answer).not.toContain('\r\n0\r\n\r\n');
    expect(accessLog()).toMatchObject([{ status: 200, code: 'GW_POLICY_FAILED' }]);
  });

  it('frees the target where it ends the body early, or the client leaves', async () => {
    const target = await startRawTarget((socket) => {
      socket.once('data', () =>
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n${'a'.repeat(99)}`),
      );
    });
    async function* first(source: BodySource): AsyncGenerator<Uint8Array> {
      for await (const chunk of iterateBody(source)) {
        yield chunk.subarray(0, 5);
        return;
      }
    }
    const ending = await startWith(target, {
      onResponse: () => ({ mapBody: (source) => bodyFromIterable(first(source)) }),
    });
    expect(await rawRequest(ending.port, GET)).toMatch(/5\r\naaaaa\r\n0\r\n\r\n$/);
    await released(await target.socket(0));

    const flowing = await startWith(target, { onResponse: () => ({ mapBody: upperCase }) });
    const client: Client = await RawClient.connect(flowing.port);
    client.write(GET);
    await client.until((received) => received.includes('AAA'));
    client.destroy(true);
    await released(await target.socket(1));
  });

  it('reads a body whole before it answers', async () => {
    const target = await startTarget((_, response) => response.end('hello'));
    const { url } = await startWith(target, {
      onResponse: () => ({
        mapBody(source) {
          async function* reversed(): AsyncGenerator<Uint8Array> {
            yield (await readBody(source, 1000)).reverse();
          }
          return bodyFromIterable(reversed());
        },
      }),
    });
    expect(await (await fetch(url)).text()).toBe('olleh');
  });
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
