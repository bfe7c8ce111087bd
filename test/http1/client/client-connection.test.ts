import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { BodySink } from '../../../src/core/body.ts';
import { GatewayError } from '../../../src/core/errors.ts';
import { HeaderList } from '../../../src/core/header-list.ts';
import type { ClientRequest, ClientSink, RequestHandler } from '../../../src/core/message.ts';
import { llhttp } from '../../../src/http1/llhttp.ts';
import { fc } from '../../support/fast-check.ts';
import { openConnection, serveStream } from '../serve-stream.ts';

const GET = 'GET /get HTTP/1.1\r\nHost: a\r\n\r\n';
const POST = 'POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef';
const CHUNKED =
  'POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n';

/** Answers 200 with a body that says what was asked. */
function answer(client: ClientSink, body: string): void {
  client.head({ status: 200, reason: '', headers: HeaderList.from(), length: body.length });
  client.write(Buffer.from(body));
  client.end();
}

/** Serves `text` in one read with `handler`, and returns the bodies of the answers. */
async function bodiesOf(text: string, handler: RequestHandler): Promise<string[]> {
  const { connection, socket } = openConnection(handler);
  const bytes = Buffer.from(text, 'latin1');
  connection.onBytes(bytes, bytes.length);
  // What comes in one read is answered in as many turns as it takes.
  for (let seen = -1; seen < socket.sent.length; ) {
    seen = socket.sent.length;
    await setImmediate();
  }
  connection.destroy();
  return [...socket.sent.matchAll(/\r\n\r\n(.*?)(?=HTTP\/1\.1|$)/gs)].map(([, body]) => body as string);
}

function sinkThat(write: (chunk: Uint8Array) => boolean, rest: Partial<BodySink> = {}): BodySink {
  return { write, end() {}, abort() {}, ...rest };
}

describe('a handler', () => {
  it('may answer before it returns, one request after the other', async () => {
    const bodies = await bodiesOf(GET + GET + GET, ({ target }, client) => answer(client, target));
    expect(bodies).toEqual(['/get', '/get', '/get']);
  });

  it('may answer thousands of requests of one read without going deeper and deeper', async () => {
    const bodies = await bodiesOf(GET.repeat(5000), (_, client) => answer(client, 'x'));
    expect(bodies).toHaveLength(5000);
  });

  it('may answer without looking at the body, which is not taken for a request', async () => {
    const post = `POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: ${GET.length}\r\n\r\n${GET}`;
    const bodies = await bodiesOf(post + GET, ({ target }, client) => answer(client, target));
    expect(bodies).toEqual(['/post', '/get']);
  });

  it('may answer from within the first piece of the body', async () => {
    const bodies = await bodiesOf(POST + GET, ({ target, body }, client) => {
      if (target === '/get') return answer(client, target);
      body.pipe(
        sinkThat(() => {
          answer(client, target);
          return true;
        }),
      );
    });
    expect(bodies).toEqual(['/post', '/get']);
  });

  it('may answer from within a chunk when more are to come, after which the connection ends', () => {
    const targets: string[] = [];
    const { connection, socket } = openConnection(({ target, body }, client) => {
      targets.push(target);
      body.pipe(
        sinkThat(() => {
          answer(client, target);
          return false;
        }),
      );
    });
    const text = Buffer.from(CHUNKED + GET);
    connection.onBytes(text.subarray(0, 75), 75);
    connection.onBytes(text.subarray(75), text.length - 75);
    expect(socket.sent).toMatch(/connection: close\r\n[\s\S]*\/chunked$/);
    expect(targets).toEqual(['/chunked']);
    connection.destroy();
  });

  it('may stop and go on with the body from within it', () => {
    const seen: string[] = [];
    const { connection } = openConnection(({ body }, client) => {
      const sink = sinkThat(
        (chunk) => {
          seen.push(Buffer.from(chunk).toString());
          queueMicrotask(() => body.resume());
          return false;
        },
        { end: () => answer(client, 'done') },
      );
      body.pipe(sink);
    });
    connection.onBytes(Buffer.from(POST.slice(0, -3)), POST.length - 3);
    connection.onBytes(Buffer.from('def'), 3);
    return Promise.resolve().then(() => {
      expect(seen.join('')).toBe('abcdef');
      connection.destroy();
    });
  });

  it('may drop the body from within it and answer later', async () => {
    const held: { request?: ClientRequest; client?: ClientSink } = {};
    const { connection, socket } = openConnection((request, client) => {
      held.client ??= client;
      if (held.client !== client) return answer(client, request.target);
      request.body.pipe(
        sinkThat(() => {
          request.body.cancel();
          return true;
        }),
      );
    });
    const bytes = Buffer.from(POST + GET);
    connection.onBytes(bytes, bytes.length);
    await setImmediate();
    expect(socket.sent).toBe('');
    answer(held.client as ClientSink, '/post');
    await setImmediate();
    expect(socket.sent).toMatch(/\/postHTTP\/1\.1 200[\s\S]*\/get$/);
    connection.destroy();
  });

  it('may take the body only after it has waited', async () => {
    const held: { request?: ClientRequest; client?: ClientSink } = {};
    const { connection, socket } = openConnection((request, client) =>
      Object.assign(held, { request, client }),
    );
    const bytes = Buffer.from(CHUNKED);
    connection.onBytes(bytes, bytes.length);
    bytes.fill(0);
    await setImmediate();
    let body = '';
    held.request?.body.pipe(
      sinkThat(
        (chunk) => {
          body += Buffer.from(chunk).toString();
          return true;
        },
        { end: () => answer(held.client as ClientSink, body) },
      ),
    );
    await setImmediate();
    expect(socket.sent).toMatch(/abcdef$/);
    connection.destroy();
  });

  it('may break the answer: nothing behind it is served', () => {
    const targets: string[] = [];
    const { connection, socket } = openConnection(({ target }, client) => {
      targets.push(target);
      client.head({ status: 200, reason: '', headers: HeaderList.from(), length: 10 });
      client.write(Buffer.from('part'));
      client.abort(new GatewayError('GW_UPSTREAM_BROKEN'));
    });
    const bytes = Buffer.from(GET + GET);
    connection.onBytes(bytes, bytes.length);
    expect(socket.wasReset).toBe(true);
    expect(targets).toEqual(['/get']);
  });

  it('cannot say more or less than the length that it told', () => {
    for (const body of ['too much', '2']) {
      const { connection, socket } = openConnection((_, client) => {
        client.head({ status: 200, reason: '', headers: HeaderList.from(), length: 3 });
        client.write(Buffer.from(body));
        client.end();
      });
      connection.onBytes(Buffer.from(GET), GET.length);
      expect(socket.wasReset).toBe(true);
    }
  });

  it('cannot answer twice', async () => {
    const bodies = await bodiesOf(GET, (_, client) => {
      answer(client, 'first');
      answer(client, 'second');
      client.abort(new GatewayError('GW_INTERNAL'));
    });
    expect(bodies).toEqual(['first']);
  });

  it('is told when the client has left, and what it says afterwards goes nowhere', async () => {
    const held: { client?: ClientSink } = {};
    const events: string[] = [];
    const { connection, socket } = openConnection(({ body }, client) => {
      held.client = client;
      client.onClose = () => events.push('close');
      body.pipe(sinkThat(() => true, { abort: (error) => events.push((error as GatewayError).code) }));
    });
    connection.onBytes(Buffer.from(POST.slice(0, -1)), POST.length - 1);
    socket.destroy();
    await setImmediate();
    expect(events.sort()).toEqual(['GW_CLIENT_CLOSED', 'close']);
    answer(held.client as ClientSink, 'late');
    held.client?.informational(103, HeaderList.from());
    expect(socket.sent).toBe('');
  });
});

describe('a client', () => {
  it('may send nothing that makes sense: no parser is lost, and nothing is thrown', async () => {
    const used = parserCount();
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.string({ maxLength: 200 }).map((text) => Buffer.from(text)),
      fc
        .uint8Array({ maxLength: 60 })
        .map((noise) => Buffer.concat([Buffer.from(CHUNKED.slice(0, 70)), noise])),
    );
    const check = (chunks: Uint8Array[]) => {
      const { messages } = serveStream(
        chunks.map((chunk) => Buffer.from(chunk)).filter(({ length }) => length > 0),
      );
      expect(messages.length).toBeLessThanOrEqual(1);
    };
    fc.assert(fc.property(fc.array(bytes, { maxLength: 4 }), check), { seed: 1, numRuns: 2000 });
    await setImmediate();
    expect(parserCount()).toBe(used);
  });
});

/** How many parsers are in use. */
function parserCount(): number {
  const taken: number[] = [];
  for (let pointer = llhttp().acquire(); pointer !== 0; pointer = llhttp().acquire()) taken.push(pointer);
  for (const pointer of taken) llhttp().release(pointer);
  return 65_536 - taken.length;
}
