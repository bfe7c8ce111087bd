import { describe, expect, it } from 'vitest';
import { readResponseHead } from '../../src/http1/target/response-head.ts';
import { splitHead } from './split-head.ts';

/** Reads an answer's head of these lines. */
function read(line: string, fields: readonly string[] = [], method = 'GET') {
  return readResponseHead(splitHead(`${[line, ...fields].join('\r\n')}\r\n\r\n`), method);
}

const OK = 'HTTP/1.1 200 OK';
const CODE = { code: 'GW_UPSTREAM_BROKEN' };

describe('the status line', () => {
  it.each([
    'HTTP/1.2 200 OK',
    'HTTP/2.0 200 OK',
    'HTTP/0.9 200 OK',
    'ICY 200 OK',
    'ICE/1.1 200 OK',
    'HTTP/1.1\t200 OK',
    'HTTP/1.1 099 OK',
    'HTTP/1.1 600 OK',
    'HTTP/1.1 2x0 OK',
    'HTTP/1.1 200 O\rK',
    'HTTP/1.1 200 O\nK',
    'HTTP/1.1 200 O\0K',
    'HTTP/1.1 200 O\x7fK',
  ])('%j is refused', (line) => expect(read(line)).toMatchObject(CODE));

  it.each([
    [OK, 200, 'OK'],
    ['HTTP/1.0 404 Not Found', 404, 'Not Found'],
    ['HTTP/1.1 599 ', 599, ''],
    ['HTTP/1.1 204', 204, ''],
    ['HTTP/1.1 299 Sch\xf6n\t!', 299, 'Sch\xf6n\t!'],
  ])('%j is taken', (line, status, reason) => expect(read(line)).toMatchObject({ status, reason }));

  it('does not stand behind empty lines', () => {
    expect(readResponseHead(splitHead(`\r\n${OK}\r\n\r\n`), 'GET')).toMatchObject(CODE);
  });
});

describe('the framing of an answer', () => {
  it.each([
    [OK, ['Transfer-Encoding: gzip']],
    [OK, ['Transfer-Encoding: gzip, chunked']],
    [OK, ['Transfer-Encoding: chunked\t']],
    [OK, ['Transfer-Encoding:']],
    [OK, ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
    [OK, ['Transfer-Encoding: chunked', 'Content-Length: 1']],
    ['HTTP/1.0 200 OK', ['Transfer-Encoding: chunked']],
    [OK, ['Content-Length: 1', 'Content-Length: 1']],
    [OK, ['Content-Length: 1, 1']],
    [OK, ['Content-Length: -1']],
    [OK, ['Content-Length:']],
    [OK, ['Content-Length: 9007199254740992']],
    ['HTTP/1.1 304 Not Modified', ['Content-Length: x']],
  ])('%s with %j is refused, for HEAD too', (line, fields) => {
    expect(read(line, fields)).toMatchObject(CODE);
    expect(read(line, fields, 'HEAD')).toMatchObject(CODE);
  });

  it.each([
    [OK, ['Transfer-Encoding: Chunked'], 'GET', 'chunked', 0],
    [OK, ['Content-Length: 7'], 'GET', 'length', 7],
    [OK, ['Content-Length: 0'], 'GET', 'none', 0],
    [OK, [], 'GET', 'until-close', 0],
    [OK, ['content_length: 7'], 'GET', 'until-close', 0],
    [OK, ['Content-Length: 7'], 'HEAD', 'none', 7],
    [OK, ['Transfer-Encoding: chunked'], 'HEAD', 'none', 0],
    [OK, [], 'HEAD', 'none', 0],
    ['HTTP/1.1 204 No Content', ['Content-Length: 7'], 'GET', 'none', 7],
    ['HTTP/1.1 204 No Content', ['Transfer-Encoding: chunked'], 'GET', 'none', 0],
    ['HTTP/1.1 304 Not Modified', ['Content-Length: 7'], 'GET', 'none', 7],
    ['HTTP/1.1 103 Early Hints', ['Content-Length: 7'], 'GET', 'none', 7],
    ['HTTP/1.1 101 Switching Protocols', [], 'GET', 'none', 0],
  ])('%s with %j to %s is %s', (line, fields, method, framing, length) => {
    expect(read(line, fields, method)).toMatchObject({ framing, length });
  });
});

describe('the connection to a target', () => {
  it.each([
    [OK, ['Content-Length: 0'], true],
    [OK, ['Content-Length: 0', 'Connection: close'], false],
    [OK, [], false],
    ['HTTP/1.0 200 OK', ['Content-Length: 0'], false],
    ['HTTP/1.0 200 OK', ['Content-Length: 0', 'Connection: keep-alive'], true],
  ])('after %s with %j persists: %s', (line, fields, isPersistent) => {
    expect(read(line, fields)).toMatchObject({ isPersistent });
  });

  it.each([
    ['timeout=5', 5],
    ['max=3, timeout = 70', 70],
    ['timeout="8"', 8],
    ['nottimeout=5', undefined],
    ['timeout=x', undefined],
  ])('with Keep-Alive: %s lives for %s s', (value, keepAliveSeconds) => {
    expect(read(OK, [`Keep-Alive: ${value}`])).toMatchObject({ keepAliveSeconds });
  });

  it.each([
    ['HTTP/1.1 101 Switching Protocols', ['Connection: upgrade', 'Upgrade: WebSocket'], 'websocket'],
    ['HTTP/1.1 101 Switching Protocols', ['Upgrade: websocket'], undefined],
    [OK, ['Connection: upgrade', 'Upgrade: websocket'], undefined],
  ])('after %s with %j speaks %s', (line, fields, upgrade) => {
    expect(read(line, fields)).toMatchObject({ upgrade });
  });
});

describe('an interim response', () => {
  it.each([
    ['HTTP/1.0 103 Early Hints', []],
    ['HTTP/1.0 103 Early Hints', ['Connection: keep-alive']],
    ['HTTP/1.0 101 Switching Protocols', ['Connection: keep-alive, upgrade', 'Upgrade: websocket']],
    ['HTTP/1.1 100 Continue', ['Connection: close']],
  ])('%s with %j is refused', (line, fields) => expect(read(line, fields)).toMatchObject(CODE));
});

describe('what is sent on to the client', () => {
  it('is without hop-by-hop fields and those that Connection names', () => {
    const hops = [
      'Connection: X-Hop',
      'X-Hop: 1',
      'Keep-Alive: 1',
      'Upgrade: h2c',
      'TE: x',
      'Transfer-Encoding: chunked',
    ];
    const head = read(OK, ['A: 1', ...hops, 'Proxy-Authenticate: Basic', 'Set-Cookie: a', 'Set-Cookie: b']);
    expect('headers' in head && head.headers.toLines()).toBe(
      'A: 1\r\nProxy-Authenticate: Basic\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n',
    );
  });

  it.each([100, 101, 103, 199])('says no length in a %i, which has no body', (status) => {
    const head = read(`HTTP/1.1 ${status} x`, ['A: 1', 'Content-Length: 7']);
    expect('headers' in head && head.headers.toLines()).toBe('A: 1\r\n');
  });
});
