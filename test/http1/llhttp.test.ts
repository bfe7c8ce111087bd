import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { HeaderList } from '../../src/core/header-list.ts';
import { readRequestHead } from '../../src/http1/client/request-head.ts';
import { llhttp, REQUEST, readLlhttpWasm } from '../../src/http1/llhttp.ts';
import { MessageParser } from '../../src/http1/message-parser.ts';
import { LIMITS, serveStream } from './serve-stream.ts';

const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
const HEAD = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n');

describe('the WebAssembly build of llhttp', () => {
  it('is the one that the engine was proved with', () => {
    const hash = createHash('sha256').update(readLlhttpWasm()).digest('hex');
    expect(hash).toBe('18403ee56fab07f89a845028bad358bb3ebcda213f8e2ec0989a991e9c33da69');
  });

  it('comes with an exact version of undici', async () => {
    const { dependencies } = JSON.parse(await readFile('package.json', 'utf8'));
    expect(dependencies.undici).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('keeps its memory where it is, whatever the number of parsers', () => {
    const { input } = llhttp();
    const { buffer } = input;
    const pointers = Array.from({ length: 20_000 }, () => llhttp().acquire());
    expect(new Set(pointers).size).toBe(20_000);
    for (const pointer of pointers) {
      llhttp().start(pointer, REQUEST);
      llhttp().release(pointer);
    }
    expect(llhttp().input.buffer).toBe(buffer);
    expect(input.length).toBe(64 * 1024);
  });

  it('uses a parser again once it is given back', () => {
    const pointers = Array.from({ length: 20_000 }, () => {
      const pointer = llhttp().acquire();
      llhttp().release(pointer);
      return pointer;
    });
    expect(new Set(pointers).size).toBe(1);
  });

  it('gets every parser back, however a connection ends', async () => {
    const before = takeAll();
    giveBack(before);
    for (const text of [
      'GET',
      'nonsense\r\n\r\n',
      `${HEAD}`,
      `${HEAD}GET / HT`,
      CHUNKED,
      `${CHUNKED}3\r\nab`,
    ]) {
      serveStream([Buffer.from(text)]);
    }
    await setImmediate();
    const after = takeAll();
    giveBack(after);
    expect(after).toHaveLength(before.length);
  });

  it('refuses a request instead of failing when all parsers are in use', () => {
    const taken = takeAll();
    const outcome = serveStream([HEAD]);
    giveBack(taken);
    expect(outcome).toMatchObject({ messages: [], refusedWith: 503 });
    expect(serveStream([HEAD]).messages).toHaveLength(1);
  });
});

describe('MessageParser', () => {
  it('parses what lies in the shared input region and what lies elsewhere alike', () => {
    const parser = new MessageParser(REQUEST, LIMITS);
    const { input } = llhttp();
    HEAD.copy(input, 100);
    expect(parser.parseHead(input, 100, 100 + HEAD.length)).toBe('head');
    expect(readRequestHead(parser)).toMatchObject({
      method: 'GET',
      target: '/',
      headers: expect.any(HeaderList),
    });
    parser.finish();
    expect(parser.parseHead(HEAD, 0, HEAD.length)).toBe('head');
    expect(readRequestHead(parser)).toMatchObject({ method: 'GET', target: '/', authority: 'a' });
    parser.finish();
  });

  it('parses more bytes at once than the region holds', () => {
    const chunks = `ff\r\n${'x'.repeat(255)}\r\n`;
    const body = Buffer.from(`${chunks.repeat(1000)}0\r\n\r\n`);
    const [message] = serveStream([Buffer.concat([Buffer.from(CHUNKED), body])]).messages;
    expect(message).toMatchObject({ isComplete: true, body: 'x'.repeat(255_000) });
  });

  it('does not give the trailers of one body to the next', () => {
    const counted = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx';
    const first = `${CHUNKED}0\r\nX-Sum: 1\r\n\r\n`;
    const { messages } = serveStream([Buffer.from(`${first}${counted}${first}${CHUNKED}0\r\nX: 2\r\n\r\n`)]);
    const trailers = [[['X-Sum', '1']], [], [['X-Sum', '1']], [['X', '2']]];
    expect(messages.map((message) => message.trailers)).toEqual(trailers);
  });

  it('keeps heads apart that come in pieces by turns', () => {
    const parsers = ['/a', '/bbbbbb', '/c'].map((target, i) => {
      const text = `POST ${target} HTTP/1.1\r\nHost: ${'h'.repeat(i + 1)}\r\n${`X${i}: ${i}\r\n`.repeat(i + 2)}\r\n`;
      return {
        target,
        parser: new MessageParser(REQUEST, LIMITS),
        pieces: [...Buffer.from(text)],
        lines: text,
      };
    });
    const seen: unknown[] = [];
    while (parsers.some(({ pieces }) => pieces.length > 0)) {
      for (const { parser, pieces } of parsers) {
        const piece = Buffer.from(pieces.splice(0, 3));
        if (piece.length === 0 || parser.parseHead(piece, 0, piece.length) !== 'head') continue;
        const head = readRequestHead(parser);
        seen.push('headers' in head && `${head.target} ${head.headers.toLines()}`);
        parser.finish();
      }
    }
    const wanted = parsers.map(({ target, lines }) => `${target} ${lines.slice(lines.indexOf('Host'), -2)}`);
    expect(seen.sort()).toEqual(wanted.sort());
  });

  it('holds folded lines for an error by itself, whatever llhttp may think of them', () => {
    const parser = new MessageParser(REQUEST, LIMITS);
    const text = Buffer.from('GET / HTTP/1.1\r\nX: a');
    expect(parser.parseHead(text, 0, text.length)).toBe('more');
    parser.onFieldValue(25, 1);
    const rest = Buffer.from('b\r\n\r\n');
    expect(parser.parseHead(rest, 0, rest.length)).toBe('error');
    expect(parser.errorReason).toBe('Line folding is obsolete');
    parser.finish();
  });

  it('tells an error as what it is, however much comes behind it', () => {
    const noise = Buffer.from(`GET / HTTP/1.1\r\nHost : a\r\n${'x'.repeat(40_000)}`);
    expect(serveStream([noise]).refusedWith).toBe(400);
  });

  it('bounds what is said about each chunk, not about all of them', () => {
    const reads = Array.from({ length: 10_000 }, () => Buffer.from('1;a=b\r\nx\r\n'));
    const { messages } = serveStream([Buffer.from(CHUNKED), ...reads, Buffer.from('0\r\n\r\n')]);
    expect(messages).toMatchObject([{ isComplete: true, body: 'x'.repeat(10_000) }]);
  });

  it('copies tiny chunks into one', () => {
    const parser = new MessageParser(REQUEST, LIMITS);
    const bytes = Buffer.from(`${CHUNKED}${'1\r\nx\r\n'.repeat(500)}0\r\n\r\n`);
    expect(parser.parseHead(bytes, 0, bytes.length)).toBe('head');
    parser.beginChunked();
    expect(parser.parseChunked(bytes, parser.position, bytes.length)).toBe('end');
    expect(Buffer.from(parser.chunk as Uint8Array).toString()).toBe('x'.repeat(500));
    parser.finish();
  });
});

/** Takes every parser that is not in use. */
function takeAll(): number[] {
  const taken: number[] = [];
  for (let pointer = llhttp().acquire(); pointer !== 0; pointer = llhttp().acquire()) taken.push(pointer);
  return taken;
}

function giveBack(pointers: readonly number[]): void {
  for (const pointer of pointers) llhttp().release(pointer);
}
