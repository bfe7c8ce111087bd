import { once } from 'node:events';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type BodySink,
  type BodySource,
  bodyFrom,
  bodyFromIterable,
  EMPTY_BODY,
} from '../../src/core/body.ts';
import type { GatewayError } from '../../src/core/errors.ts';
import { HeaderList } from '../../src/core/header-list.ts';
import type { OngoingExchange, ResponseHead, ResponseSink, TargetRequest } from '../../src/core/message.ts';
import { type AppTarget, createAppTarget, loadApp } from '../../src/server/app-target.ts';

const targets: AppTarget[] = [];
afterEach(async () => {
  for (const target of targets.splice(0)) await target.close();
});

interface Timers {
  readonly due: Map<() => void, number>;
  fire(): void;
}

interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

interface Setup {
  readonly target: AppTarget;
  readonly timers: Timers;
  readonly logged: LogLine[];
}

async function start(
  plugin: (app: FastifyInstance) => unknown,
  trustedProxies: readonly string[] = [],
): Promise<Setup> {
  const due = new Map<() => void, number>();
  const logged: LogLine[] = [];
  const note = (level: string) => (fields: object, message: string) =>
    void logged.push({ level, message, fields: fields as Record<string, unknown> });
  const services = {
    log: { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') },
    clock: {
      now: () => 0,
      monotonic: () => 0,
      every: () => () => {},
      after(delayMs: number, task: () => void) {
        due.set(task, delayMs);
        return () => due.delete(task);
      },
    },
  };
  const register = async (app: FastifyInstance): Promise<void> => void plugin(app);
  const target = await createAppTarget('bff', register, services, { trustedProxies });
  targets.push(target);
  const fire = (): void => {
    for (const task of [...due.keys()]) if (due.delete(task)) task();
  };
  return { target, timers: { due, fire }, logged };
}

function requestFor(path: string, changed: Partial<TargetRequest> = {}): TargetRequest {
  return {
    method: 'GET',
    path,
    host: 'api.test',
    headers: HeaderList.from({ 'x-request-id': 'id-1' }),
    body: EMPTY_BODY,
    upgrade: undefined,
    acceptsTrailers: false,
    responseTimeoutMs: 15_000,
    ...changed,
  };
}

/** Takes a response and refuses, as the contract does, whatever comes in a wrong order or after the end. */
class RecordingSink implements ResponseSink {
  onDrain: (() => void) | undefined = undefined;
  received: ResponseHead | undefined = undefined;
  readonly chunks: string[] = [];
  /** What came since the last `flush`, and what each flush sent. */
  readonly flushed: string[] = [];
  trailers: HeaderList | undefined = undefined;
  error: GatewayError | undefined = undefined;
  isOver = false;
  /** What the next writes return. */
  takesMore = true;
  private readonly waiting: (() => void)[] = [];
  private isPaused = false;

  informational(): void {
    throw new Error('an app sends none');
  }

  switchProtocols(): void {
    throw new Error('an app does not switch');
  }

  head(head: ResponseHead): void {
    if (this.received || this.isOver) throw new Error('a second head');
    this.received = head;
    this.wake();
  }

  write(chunk: Uint8Array): boolean {
    if (!this.received || this.isOver || this.isPaused) throw new Error('an unexpected write');
    this.chunks.push(Buffer.from(chunk).toString());
    this.isPaused = !this.takesMore;
    this.wake();
    return this.takesMore;
  }

  flush(): void {
    this.flushed.push(this.text);
    this.wake();
  }

  end(trailers?: HeaderList): void {
    if (!this.received || this.isPaused) throw new Error('an unexpected end');
    this.trailers = trailers;
    this.close();
  }

  abort(error: Error): void {
    this.error = error as GatewayError;
    this.close();
  }

  drain(): void {
    this.takesMore = true;
    this.isPaused = false;
    this.onDrain?.();
  }

  get text(): string {
    return this.chunks.join('');
  }

  /** Waits until something that came makes `condition` true. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  private close(): void {
    if (this.isOver) throw new Error('a second end');
    this.isOver = true;
    this.wake();
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

function send(target: AppTarget, request: TargetRequest): { sink: RecordingSink; ongoing: OngoingExchange } {
  const sink = new RecordingSink();
  return { sink, ongoing: target.exchange(request, sink) };
}

async function fetchFrom(target: AppTarget, request: TargetRequest): Promise<RecordingSink> {
  const { sink } = send(target, request);
  await sink.until(() => sink.isOver);
  return sink;
}

/** A body that the test feeds by hand. */
class HandBody implements BodySource {
  readonly length = undefined;
  sink: BodySink | undefined = undefined;
  cancelled = 0;
  resumed = 0;
  onPipe: () => void = () => {};

  pipe(sink: BodySink): void {
    this.sink = sink;
    this.onPipe();
  }

  resume(): void {
    this.resumed++;
    this.onResume();
  }

  onResume: () => void = () => {};

  cancel(): void {
    this.cancelled++;
  }
}

describe('a request to an app', () => {
  it('is answered by the app, with its status, header and length', async () => {
    const { target } = await start((app) =>
      app.get('/orders/:id', (request: FastifyRequest, reply) =>
        reply.code(201).header('x-kind', 'order').send({ params: request.params, query: request.query }),
      ),
    );
    const sink = await fetchFrom(target, requestFor('/orders/7?page=2'));
    expect(JSON.parse(sink.text)).toEqual({ params: { id: '7' }, query: { page: '2' } });
    expect(sink.received).toMatchObject({ status: 201, reason: 'Created', length: sink.text.length });
    expect(sink.received?.headers.get('x-kind')).toBe('order');
    expect(sink.received?.headers.get('content-type')).toContain('application/json');
    expect(target.name).toBe('bff');
  });

  it('carries host, every header field and no made-up ones', async () => {
    const { target } = await start((app) =>
      app.get('/', (request) => ({ ...request.headers, id: request.id, raw: request.raw.rawHeaders })),
    );
    const headers = HeaderList.from([
      ['X-Request-ID', 'id-7'],
      ['Accept', 'a'],
      ['accept', 'b'],
      ['__proto__', 'x'],
    ]);
    const seen = JSON.parse(
      (await fetchFrom(target, requestFor('/', { headers, acceptsTrailers: true }))).text,
    );
    expect(seen).toMatchObject({ host: 'api.test', accept: 'a, b', te: 'trailers', id: 'id-7' });
    expect(Object.keys(seen)).not.toContain('user-agent');
    expect(Object.keys(seen)).not.toContain('content-length');
    expect(seen.raw.join()).toContain('accept,a,accept,b');
  });

  it('shows the app the client as the trusted proxies tell it', async () => {
    const { target } = await start(
      (app) => app.get('/', ({ ip, protocol, host }) => ({ ip, protocol, host })),
      ['10.0.0.0/8'],
    );
    const headers = HeaderList.from({
      'x-forwarded-for': '6.6.6.6, 203.0.113.9, 10.1.1.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'shop.test',
    });
    const seen = JSON.parse((await fetchFrom(target, requestFor('/', { headers }))).text);
    expect(seen).toEqual({ ip: '203.0.113.9', protocol: 'https', host: 'shop.test' });
  });

  it.each([
    '/a%2Fb/%5C..%5Cc?x=%2e%2e/..',
    '/a;b=1/%00?a[]=1&b={}',
    '/ä'.replace('ä', '%C3%A4'),
    "/it's(ok)!*~$&+,:@=",
  ])('reaches the app on the very path %s', async (path) => {
    const { target } = await start((app) => app.get('/*', (request) => request.raw.url));
    const seen = (await fetchFrom(target, requestFor(path))).text;
    expect(seen.split('?')[0]).toBe(path.split('?')[0]);
    expect(decodeURIComponent(seen)).toBe(decodeURIComponent(path));
  });

  it('hands a body of known length over', async () => {
    const { target } = await start((app) =>
      app.post('/', (request) => ({ body: request.body, length: request.headers['content-length'] })),
    );
    const headers = HeaderList.from({ 'content-type': 'application/json' });
    const request = requestFor('/', { method: 'POST', headers, body: bodyFrom('{"a":1}') });
    expect(JSON.parse((await fetchFrom(target, request)).text)).toEqual({ body: { a: 1 }, length: '7' });
  });

  it('says that a POST without a body has none', async () => {
    const { target } = await start((app) => app.post('/', (request) => request.headers['content-length']));
    expect((await fetchFrom(target, requestFor('/', { method: 'POST' }))).text).toBe('0');
  });

  it('is over when the app answers without reading the body, whose rest is cancelled', async () => {
    let stream: Readable | undefined;
    const { target } = await start((app) => {
      app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
      app.post('/', async (request, reply) => {
        stream = request.body as Readable;
        return reply.send('early');
      });
    });
    const body = new HandBody();
    const headers = HeaderList.from({ 'content-type': 'application/octet-stream' });
    const { sink } = send(target, requestFor('/', { method: 'POST', headers, body }));
    await sink.until(() => sink.isOver);
    expect(sink.text).toBe('early');
    expect(stream).toBeDefined();
    expect(body.cancelled).toBe(1);
  });

  it('pauses the client while the app does not read and goes on when it does', async () => {
    const gate = Promise.withResolvers<void>();
    const { target } = await start((app) => {
      app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
      app.post('/', async (request) => {
        const stream = request.body as Readable;
        await once(stream, 'readable');
        await gate.promise;
        let size = 0;
        for await (const chunk of stream) size += (chunk as Buffer).length;
        return String(size);
      });
    });
    const body = new HandBody();
    const paused = Promise.withResolvers<void>();
    const chunk = Buffer.alloc(16 * 1024);
    let sent = 0;
    const feed = (): void => {
      while (sent < 100) {
        sent++;
        if (body.sink?.write(chunk) === false) return paused.resolve();
      }
      body.sink?.end();
    };
    body.onPipe = feed;
    body.onResume = feed;
    const headers = HeaderList.from({ 'content-type': 'application/octet-stream' });
    const { sink } = send(target, requestFor('/', { method: 'POST', headers, body }));
    await paused.promise;
    for (let i = 0; i < 10; i++) await new Promise<void>((resolve) => setImmediate(resolve));
    expect(sent).toBeLessThan(20);
    gate.resolve();
    await sink.until(() => sink.isOver);
    expect(sink.text).toBe(String(100 * chunk.length));
    expect(body.cancelled).toBe(0);
  });

  it('copies what the client only lends', async () => {
    const { target } = await start((app) => {
      app.addContentTypeParser('*', { parseAs: 'string' }, (_request, text, done) => done(null, text));
      app.post('/', (request) => request.body);
    });
    const lent = Buffer.from('aaaa');
    async function* chunks(): AsyncGenerator<Buffer> {
      yield lent;
      lent.fill('b');
      yield lent;
      lent.fill('c');
    }
    const headers = HeaderList.from({ 'content-type': 'text/x' });
    const request = requestFor('/', { method: 'POST', headers, body: bodyFromIterable(chunks()) });
    expect((await fetchFrom(target, request)).text).toBe('aaaabbbb');
  });

  it('ends with the failure of a body that breaks off, once', async () => {
    const { target } = await start((app) => app.post('/', (request) => request.body));
    const body = new HandBody();
    body.onPipe = () => {
      body.sink?.write(Buffer.from('{"half":'));
      body.sink?.abort(new Error('reset'));
    };
    const headers = HeaderList.from({ 'content-type': 'application/json' });
    const sink = await fetchFrom(target, requestFor('/', { method: 'POST', headers, body }));
    expect(sink.error).toMatchObject({ code: 'GW_CLIENT_CLOSED' });
    expect(sink.received).toBeUndefined();
  });
});

describe('the answer of an app', () => {
  it('keeps each cookie and repeated field, and drops what is hop-by-hop', async () => {
    const { target } = await start((app) =>
      app.get('/', (_request, reply) =>
        reply
          .header('set-cookie', ['a=1', 'b=2'])
          .header('link', ['<a>', '<b>'])
          .header('connection', 'x-private')
          .header('x-private', '1')
          .header('keep-alive', 'timeout=5')
          .send('ok'),
      ),
    );
    const headers = (await fetchFrom(target, requestFor('/'))).received?.headers;
    expect(headers?.getAll('set-cookie')).toEqual(['a=1', 'b=2']);
    expect(headers?.getAll('link')).toEqual(['<a>', '<b>']);
    for (const name of ['connection', 'x-private', 'keep-alive', 'transfer-encoding', 'content-length'])
      expect(headers?.has(name)).toBe(false);
  });

  it('sends small answers whole: nothing is flushed before the end', async () => {
    const { target } = await start((app) => app.get('/', () => 'small'));
    expect((await fetchFrom(target, requestFor('/'))).flushed).toEqual([]);
  });

  it('passes events on as they come, and the head before the first', async () => {
    let write: (text: string) => void = () => {};
    const { target } = await start((app) =>
      app.get('/', (_request, reply) => {
        reply.hijack();
        reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
        write = (text) => (text === '' ? reply.raw.end() : reply.raw.write(text));
      }),
    );
    const { sink } = send(target, requestFor('/'));
    await sink.until(() => sink.flushed.length > 0);
    expect(sink.received).toMatchObject({ status: 200, length: undefined });
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      write(event);
      await sink.until(() => sink.flushed.at(-1)?.endsWith(event) === true);
    }
    write('');
    await sink.until(() => sink.isOver);
    expect(sink.text).toBe('data: 1\n\ndata: 2\n\n');
  });

  it('waits for a slow client without gathering the body', async () => {
    let made = 0;
    const { target } = await start((app) =>
      app.get('/', (_request, reply) => {
        const source = new Readable({
          read() {
            this.push(++made > 200 ? null : Buffer.alloc(16 * 1024, 'x'));
          },
        });
        return reply.send(source);
      }),
    );
    const sink = new RecordingSink();
    sink.takesMore = false;
    target.exchange(requestFor('/'), sink);
    await sink.until(() => sink.chunks.length === 1);
    for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
    expect(sink.chunks).toHaveLength(1);
    expect(made).toBeLessThan(50);
    sink.drain();
    await sink.until(() => sink.isOver);
    expect(sink.text.length).toBe(200 * 16 * 1024);
  });

  it('ends only after the slow client has taken the last chunk', async () => {
    const { target } = await start((app) => app.get('/', () => 'all'));
    const sink = new RecordingSink();
    sink.takesMore = false;
    target.exchange(requestFor('/'), sink);
    await sink.until(() => sink.text === 'all');
    for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => setImmediate(resolve));
    expect(sink.isOver).toBe(false);
    sink.drain();
    await sink.until(() => sink.isOver);
    expect(sink.error).toBeUndefined();
  });

  it('gives the length of GET to HEAD and no body to HEAD, 204 and 304', async () => {
    const { target } = await start((app) => {
      app.get('/', () => 'hello');
      app.get('/empty', (_request, reply) => reply.code(204).send());
      app.get('/same', (_request, reply) => reply.code(304).header('etag', '"1"').send());
    });
    const head = await fetchFrom(target, requestFor('/', { method: 'HEAD' }));
    expect(head.received).toMatchObject({ status: 200, length: 5 });
    const empty = await fetchFrom(target, requestFor('/empty'));
    expect(empty.received).toMatchObject({ status: 204, length: 0 });
    const same = await fetchFrom(target, requestFor('/same'));
    expect(same.received?.status).toBe(304);
    for (const sink of [head, empty, same]) {
      expect(sink.chunks).toEqual([]);
      expect(sink.error).toBeUndefined();
    }
  });

  it('brings trailers to a client that takes them', async () => {
    const { target } = await start((app) =>
      app.get('/', (_request, reply) => {
        reply.trailer('x-sum', async () => '42');
        return reply.send('data');
      }),
    );
    const taken = await fetchFrom(target, requestFor('/', { acceptsTrailers: true }));
    expect(taken.trailers?.get('x-sum')).toBe('42');
    expect((await fetchFrom(target, requestFor('/'))).trailers).toBeUndefined();
  });

  it("is the app's own 500 when a handler throws; the gateway's log has the error, without the request", async () => {
    const { target, logged } = await start((app) =>
      app.get('/', () => {
        throw new Error('boom');
      }),
    );
    const sink = await fetchFrom(target, requestFor('/'));
    expect(sink.received?.status).toBe(500);
    const line = logged.find(({ level }) => level === 'error');
    expect(line).toMatchObject({ message: 'boom', fields: { app: 'bff', requestId: 'id-1' } });
    expect(line?.fields.err).toBeInstanceOf(Error);
    expect(Object.keys(line?.fields ?? {})).not.toContain('req');
    expect(Object.keys(line?.fields ?? {})).not.toContain('res');
  });

  it('is a broken one when the app closes before the head', async () => {
    const { target } = await start((app) =>
      app.get('/', (_request, reply) => void reply.hijack().raw.destroy()),
    );
    expect((await fetchFrom(target, requestFor('/'))).error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN' });
  });

  it('breaks off when the app fails within the body', async () => {
    const { target } = await start((app) =>
      app.get('/', (_request, reply) => {
        async function* parts(): AsyncGenerator<string> {
          yield 'first';
          throw new Error('boom');
        }
        return reply.send(Readable.from(parts()));
      }),
    );
    const sink = await fetchFrom(target, requestFor('/'));
    expect(sink.received?.status).toBe(200);
    expect(sink.error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN' });
  });

  it.each([
    ['less', '5'],
    ['more', '3'],
  ])('breaks off when it has %s bytes than it says', async (_, length) => {
    const { target } = await start((app) =>
      app.get('/', (_request, reply) => {
        reply.hijack().raw.writeHead(200, { 'content-length': length });
        reply.raw.end('four');
      }),
    );
    const sink = await fetchFrom(target, requestFor('/'));
    expect(sink.error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN' });
  });

  it.each([
    ['a status below 200', 199, {}],
    ['a length that is not a number', 200, { 'content-length': 'many' }],
  ])('is refused with %s', async (_, status, headers) => {
    const { target } = await start((app) =>
      app.get('/', (_request, reply) => void reply.hijack().raw.writeHead(status, headers).end()),
    );
    const sink = await fetchFrom(target, requestFor('/'));
    expect(sink.error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN' });
    expect(sink.received).toBeUndefined();
  });
});

describe('an exchange with an app', () => {
  it('ends in 504 when the head does not come in time, and the app is told', async () => {
    let told: Promise<unknown> | undefined;
    const { target, timers } = await start((app) =>
      app.get('/', (request) => {
        told = once(request.signal, 'abort');
        return new Promise(() => {});
      }),
    );
    const { sink } = send(target, requestFor('/', { responseTimeoutMs: 1234 }));
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect([...timers.due.values()]).toEqual([1234]);
    timers.fire();
    expect(sink.error).toMatchObject({ code: 'GW_UPSTREAM_TIMEOUT' });
    await told;
  });

  it('does not count the time for which the client keeps it waiting', async () => {
    const { target, timers } = await start((app) => app.post('/', (request) => request.body));
    const body = new HandBody();
    const piped = new Promise<void>((resolve) => (body.onPipe = resolve));
    const headers = HeaderList.from({ 'content-type': 'application/json' });
    const { sink } = send(target, requestFor('/', { method: 'POST', headers, body }));
    await piped;
    expect(timers.due.size).toBe(0);
    body.sink?.write(Buffer.from('{}'));
    expect(timers.due.size).toBe(0);
    body.sink?.end();
    expect(timers.due.size).toBe(1);
    await sink.until(() => sink.isOver);
    expect(timers.due.size).toBe(0);
    expect(sink.text).toBe('{}');
  });

  it('has no time limit after the head', async () => {
    const { target, timers } = await start((app) =>
      app.get('/', (_request, reply) => void reply.hijack().raw.writeHead(200)),
    );
    const { sink, ongoing } = send(target, requestFor('/'));
    await sink.until(() => sink.received !== undefined);
    expect(timers.due.size).toBe(0);
    ongoing.cancel();
  });

  it.each(['before the head', 'after the head', 'after the body was read'])(
    'is ended by a client that leaves %s: the app is told, the sink hears nothing',
    async (moment) => {
      let closed: Promise<unknown> | undefined;
      let arrived: () => void = () => {};
      const inHandler = new Promise<void>((resolve) => (arrived = resolve));
      const { target } = await start((app) =>
        app.post('/', (_request, reply) => {
          reply.hijack();
          closed = new Promise((resolve) => reply.raw.once('close', resolve));
          if (moment === 'after the head') reply.raw.writeHead(200).write('part');
          arrived();
        }),
      );
      const headers = HeaderList.from({ 'content-type': 'application/json' });
      const body = moment === 'after the body was read' ? bodyFrom('{}') : EMPTY_BODY;
      const { sink, ongoing } = send(
        target,
        requestFor('/', { method: 'POST', headers: body.length ? headers : HeaderList.from(), body }),
      );
      await inHandler;
      if (moment === 'after the head') await sink.until(() => sink.text === 'part');
      ongoing.cancel();
      await closed;
      expect(sink.isOver).toBe(false);
    },
  );

  it.each(['reply.send', 'pipeline'])(
    'ends the stream that the app sends by %s when the client leaves',
    async (way) => {
      const ended = Promise.withResolvers<void>();
      const { target, logged } = await start((app) =>
        app.get('/', (_request, reply) => {
          const endless = new Readable({
            read() {
              this.push(Buffer.alloc(16 * 1024));
            },
          });
          endless.once('close', ended.resolve);
          if (way === 'reply.send') reply.send(endless);
          else pipeline(endless, reply.hijack().raw, () => {});
        }),
      );
      const sink = new RecordingSink();
      sink.takesMore = false;
      const ongoing = target.exchange(requestFor('/'), sink);
      await sink.until(() => sink.chunks.length === 1);
      ongoing.cancel();
      await ended.promise;
      expect(sink.isOver).toBe(false);
      expect(logged).toEqual([]);
    },
  );

  it('cancels the rest of the body when the client leaves', async () => {
    const { target } = await start((app) => app.post('/', (request) => request.body));
    const body = new HandBody();
    const piped = new Promise<void>((resolve) => (body.onPipe = resolve));
    const headers = HeaderList.from({ 'content-type': 'application/json' });
    const { sink, ongoing } = send(target, requestFor('/', { method: 'POST', headers, body }));
    await piped;
    ongoing.cancel();
    ongoing.cancel();
    for (let i = 0; i < 10; i++) await new Promise<void>((resolve) => setImmediate(resolve));
    expect(body.cancelled).toBe(1);
    expect(sink.isOver).toBe(false);
  });

  it('refuses to become a WebSocket, and answers other upgrades in HTTP/1.1', async () => {
    const { target } = await start((app) => app.get('/', () => 'plain'));
    const refused = await fetchFrom(target, requestFor('/', { upgrade: 'websocket' }));
    expect(refused.error).toMatchObject({ code: 'GW_UPGRADE_UNSUPPORTED', status: 501 });
    expect((await fetchFrom(target, requestFor('/', { upgrade: 'h2c' }))).text).toBe('plain');
  });

  it('ends in 503 after the app was closed', async () => {
    let isClosed = false;
    const { target } = await start((app) => {
      app.addHook('onClose', async () => {
        isClosed = true;
      });
    });
    await target.close();
    expect(isClosed).toBe(true);
    const sink = await fetchFrom(target, requestFor('/'));
    expect(sink.error).toMatchObject({ code: 'GW_UPSTREAM_UNREACHABLE' });
  });

  it('leaves the rest of the process alone when an app is registered that throws', async () => {
    await expect(
      start(() => {
        throw new Error('no database');
      }),
    ).rejects.toThrow('no database');
  });
});

describe('loadApp', () => {
  const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', name);

  it('imports the default export', async () => {
    const app = await loadApp(fixture('greeting-app.ts'));
    const { target } = await start((scope) => scope.register(app));
    expect((await fetchFrom(target, requestFor('/'))).text).toBe('hello');
  });

  it('says what to write when there is no plugin', async () => {
    await expect(loadApp(fixture('no-app.ts'))).rejects.toThrow(
      /no-app\.ts: has no Fastify plugin as its default export — write: export default async function/,
    );
  });

  it('names the file that cannot be loaded', async () => {
    await expect(loadApp(fixture('missing.ts'))).rejects.toThrow(/missing\.ts: cannot be loaded as an app: /);
  });
});
