import { describe, expect, it, vi } from 'vitest';
import { readRequestHead } from '../../src/http1/client/request-head.ts';
import type { MessageParser } from '../../src/http1/message-parser.ts';
import { splitHead, splitHeadWrongly } from './split-head.ts';

const HOST = 'Host: a.example';

/** Reads a head of these lines, with `Host` unless they say one. */
function read(line: string, ...fields: string[]) {
  const all = fields.some((field) => /^host:/i.test(field)) ? fields : [HOST, ...fields];
  return readRequestHead(splitHead(`${[line, ...all].join('\r\n')}\r\n\r\n`));
}

/** Reads fields of a POST, and returns what is forwarded of them without `Host`. */
function forwarded(...fields: string[]): string {
  const head = read('POST / HTTP/1.1', ...fields);
  if ('code' in head) throw new Error(head.detail);
  return head.headers.toLines().replace(/^Host: .*\r\n/i, '');
}

describe('the request line', () => {
  it.each([
    ['two spaces behind the method', 'GET  / HTTP/1.1', 'GW_BAD_REQUEST'],
    ['two spaces before the version', 'GET /  HTTP/1.1', 'GW_BAD_REQUEST'],
    ['HTTP/0.9', 'GET / HTTP/0.9', 'GW_VERSION_UNSUPPORTED'],
    ['HTTP/2.0', 'GET / HTTP/2.0', 'GW_VERSION_UNSUPPORTED'],
    ['HTTP/1.10', 'GET / HTTP/1.10', 'GW_VERSION_UNSUPPORTED'],
    ['RTSP', 'GET / RTSP/1.0', 'GW_VERSION_UNSUPPORTED'],
    ['ICE', 'GET / ICE/1.0', 'GW_VERSION_UNSUPPORTED'],
    ['CONNECT', 'CONNECT a:443 HTTP/1.1', 'GW_METHOD_UNKNOWN'],
    ['TRACE', 'TRACE / HTTP/1.1', 'GW_METHOD_UNKNOWN'],
    ['a method that nobody knows', 'FROBNICATE / HTTP/1.1', 'GW_METHOD_UNKNOWN'],
    ['a method in lower case', 'get / HTTP/1.1', 'GW_METHOD_UNKNOWN'],
  ])('with %s is refused', (_, line, code) => expect(read(line)).toMatchObject({ code }));

  it('may stand behind empty lines', () => {
    expect(readRequestHead(splitHead(`\r\n\r\nGET /x HTTP/1.1\r\n${HOST}\r\n\r\n`))).toMatchObject({
      method: 'GET',
      target: '/x',
      minor: 1,
    });
  });
});

describe('the version', () => {
  it.each([
    ['1.0', 0],
    ['1.1', 1],
    // RFC 9110 §2.5: as the highest minor version that is known.
    ['1.2', 1],
    ['1.9', 1],
  ])('%s is read as 1.%i', (version, minor) => {
    expect(read(`GET / HTTP/${version}`)).toMatchObject({ minor });
  });
});

describe('Host with an empty port', () => {
  it.each([
    ['a.example:', 'a.example'],
    ['[::1]:', '[::1]'],
    ['a.example:80', 'a.example:80'],
  ])('%s is the authority %s', (host, authority) => {
    expect(read('GET / HTTP/1.1', `Host: ${host}`)).toMatchObject({ authority });
    expect(read(`GET http://${host}/ HTTP/1.1`)).toMatchObject({ authority });
  });

  it.each([':', ':80', 'a::', 'a:b', 'a:80:'])('%s is none', (host) => {
    expect(read('GET / HTTP/1.1', `Host: ${host}`)).toMatchObject({ code: 'GW_BAD_HOST' });
  });
});

describe('header lines', () => {
  const text = `GET / HTTP/1.1\r\n${HOST}\r\nX: abc\r\nY: 1\r\n\r\n`;

  it('must lie one behind the other, since they are forwarded in runs', () => {
    expect(readRequestHead(splitHead(text))).not.toHaveProperty('code');
    expect(readRequestHead(splitHeadWrongly(text, 0, 1))).toMatchObject({ code: 'GW_BAD_REQUEST' });
    expect(readRequestHead(splitHeadWrongly(text, 1, 1))).toMatchObject({ code: 'GW_BAD_REQUEST' });
    expect(readRequestHead(splitHeadWrongly(text, 3, -1))).toMatchObject({ code: 'GW_BAD_REQUEST' });
  });

  it.each(['\n\n', '\r\r', '\n\r', '\r.', 'x\n'])('must end with CRLF, not with %j', (end) => {
    for (const line of ['X: abc', 'Y: 1']) {
      const whole = `\r\n${text}`;
      const parser = { ...splitHead(whole), text: whole.replace(`${line}\r\n`, `${line}${end}`) };
      expect(readRequestHead(parser as MessageParser)).toMatchObject({ code: 'GW_BAD_REQUEST' });
    }
  });

  it('must be followed by the empty line', () => {
    expect(readRequestHead(splitHead(text.replace('Y: 1', 'Y 1')))).toMatchObject({ code: 'GW_BAD_REQUEST' });
  });

  it.each(['X:', 'X: ', 'X:\t \t'])('may be empty, as in %j', (line) => {
    const head = read('GET / HTTP/1.1', line, 'Y: 1');
    expect('headers' in head && [...head.headers]).toEqual([
      ['Host', 'a.example'],
      ['X', ''],
      ['Y', '1'],
    ]);
  });

  it('lose white space around values only', () => {
    const head = read('GET / HTTP/1.1', 'X: \t a b\t ');
    expect('headers' in head && head.headers.get('x')).toBe('a b');
  });
});

describe('Host', () => {
  it.each([
    ['missing', 'GET / HTTP/1.1\r\n\r\n'],
    ['repeated', `GET / HTTP/1.1\r\n${HOST}\r\n${HOST}\r\n\r\n`],
    ['repeated on HTTP/1.0', `GET / HTTP/1.0\r\n${HOST}\r\n${HOST}\r\n\r\n`],
    ['repeated beside an absolute target', `GET http://a/ HTTP/1.1\r\n${HOST}\r\n${HOST}\r\n\r\n`],
  ])('is refused where it is %s', (_, text) => {
    expect(readRequestHead(splitHead(text))).toMatchObject({ code: 'GW_BAD_HOST' });
  });

  it.each([
    '',
    'u@a',
    'a/b',
    'a b',
    'a,b',
    'a:x',
    'a:99999',
    'a:123456',
    ':80',
    '-',
    '.',
    'a?b',
    'a#b',
    'a\\b',
    'a%41',
    '[::1',
    '[::1]x',
    '[g::1]',
    'a\x80',
  ])('is refused as %j', (value) =>
    expect(read('GET / HTTP/1.1', `Host: ${value}`)).toMatchObject({ code: 'GW_BAD_HOST' }),
  );

  it.each([
    'a',
    'a.example',
    'A.EXAMPLE.',
    'a_b',
    'a:1',
    'a:65535',
    '127.0.0.1:80',
    '[::1]',
    '[2001:db8::1]:8080',
  ])('is taken as %j', (value) =>
    expect(read('GET / HTTP/1.1', `Host: ${value}`)).toMatchObject({ authority: value }),
  );

  it('is refused where it is empty, also before any other was read', async () => {
    vi.resetModules();
    const { readRequestHead: readFirst } = await import('../../src/http1/client/request-head.ts');
    const text = 'GET / HTTP/1.1\r\nHost: \r\n\r\n';
    expect(readFirst(splitHead(text))).toMatchObject({ code: 'GW_BAD_HOST' });
  });

  it('may be missing on HTTP/1.0', () => {
    expect(readRequestHead(splitHead('GET / HTTP/1.0\r\n\r\n'))).toMatchObject({ authority: '', minor: 0 });
  });

  it.each(['http://b.example:81/x', 'HTTPS://b.example:81?x', 'http://b.example:81'])(
    'counts less than the authority of %s',
    (target) => expect(read(`GET ${target} HTTP/1.1`)).toMatchObject({ authority: 'b.example:81' }),
  );

  it.each(['http://', 'http:///x', 'http://u@b/', 'http://b:99999/', 'http://b c/', 'http://?x'])(
    'does not mend the authority of %s',
    (target) => expect(read(`GET ${target} HTTP/1.1`)).toHaveProperty('code'),
  );
});

describe('framing', () => {
  it.each([
    ['an unknown coding', ['Transfer-Encoding: xchunked']],
    ['an empty coding', ['Transfer-Encoding:']],
    ['chunked twice in a line', ['Transfer-Encoding: chunked, chunked']],
    ['chunked in two lines', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
    ['another coding before chunked', ['Transfer-Encoding: gzip, chunked']],
    ['another coding behind chunked', ['Transfer-Encoding: chunked, identity']],
    ['another coding in a second line', ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity']],
    ['identity alone', ['Transfer-Encoding: identity']],
    ['a comma behind chunked', ['Transfer-Encoding: chunked,']],
    ['a parameter', ['Transfer-Encoding: chunked;q=1']],
    ['a tab behind chunked', ['Transfer-Encoding: chunked\t']],
    ['a tab farther behind chunked', ['Transfer-Encoding: chunked  \t ']],
    ['a vertical tab', ['Transfer-Encoding: \x0bchunked']],
    ['a no-break space', ['Transfer-Encoding: chunked\xa0']],
    ['both', ['Transfer-Encoding: chunked', 'Content-Length: 5']],
    ['both, length first', ['Content-Length: 0', 'Transfer-Encoding: chunked']],
    ['two lengths', ['Content-Length: 5', 'Content-Length: 5']],
    ['two lengths in a line', ['Content-Length: 5, 5']],
    ['a signed length', ['Content-Length: +5']],
    ['a negative length', ['Content-Length: -5']],
    ['a hexadecimal length', ['Content-Length: 0x5']],
    ['a fraction', ['Content-Length: 5.0']],
    ['an exponent', ['Content-Length: 1e3']],
    ['an empty length', ['Content-Length:']],
    ['a length that JavaScript cannot count', ['Content-Length: 9007199254740992']],
    ['a length of very many digits', ['Content-Length: 00000000000000005']],
  ])('with %s is refused', (_, fields) => {
    expect(read('POST / HTTP/1.1', ...fields)).toMatchObject({ code: 'GW_BAD_FRAMING' });
  });

  it('by chunks is refused on HTTP/1.0', () => {
    expect(read('POST / HTTP/1.0', 'Transfer-Encoding: chunked')).toMatchObject({ code: 'GW_BAD_FRAMING' });
  });

  it.each([
    [['Transfer-Encoding: chunked'], 'chunked', 0],
    [['transfer-encoding:\t Chunked  '], 'chunked', 0],
    [['Content-Length: 5'], 'length', 5],
    [['Content-Length: 0005'], 'length', 5],
    [['Content-Length: 9007199254740991'], 'length', 2 ** 53 - 1],
    [['Content-Length: 0'], 'none', 0],
    [[], 'none', 0],
    [['content_length: 5', 'transfer_encoding: chunked'], 'none', 0],
  ])('by %j is %s', (fields, framing, length) => {
    expect(read('POST / HTTP/1.1', ...fields)).toMatchObject({ framing, length });
  });
});

describe('what is forwarded', () => {
  it('is without hop-by-hop fields and those that Connection names', () => {
    const hops = [
      'Connection: X-Hop,\tx-too',
      'Keep-Alive: 1',
      'Proxy-Connection: close',
      'Proxy-Authorization: x',
      'TE: gzip',
      'Upgrade: h2c',
      'HTTP2-Settings: x',
      'X-Hop: 1',
      'X-Too: 1',
      'Transfer-Encoding: chunked',
    ];
    expect(forwarded('A: 1', ...hops, 'B: 2')).toBe('A: 1\r\nB: 2\r\n');
  });

  it.each([
    'Content-Length',
    'Date',
    'Via',
    'Forwarded',
    'Max-Forwards',
    'X-Forwarded-For',
    'X-Forwarded-Proto',
    'X-Forwarded-Host',
    'X-Forwarded-Port',
    'X-Real-IP',
    'X-Request-ID',
  ])('keeps %s though Connection names it', (name) => {
    expect(forwarded(`Connection: close, ${name.toLowerCase()}`, `${name}: 1`)).toBe(`${name}: 1\r\n`);
    expect(forwarded(`Connection: ${name}`, `${name}: 1`)).toBe(`${name}: 1\r\n`);
  });

  it('keeps Host and Expect though Connection names them', () => {
    const head = read(
      'POST / HTTP/1.1',
      'Connection: host, expect',
      'Content-Length: 1',
      'Expect: 100-continue',
    );
    expect('headers' in head && head.headers.toLines()).toBe(
      `${HOST}\r\nContent-Length: 1\r\nExpect: 100-continue\r\n`,
    );
    expect(head).toMatchObject({ authority: 'a.example', expectsContinue: true });
  });

  it('is refused where Connection names hundreds of fields', () => {
    expect(forwarded(`Connection: ${'a,'.repeat(99)}x`, 'X: 1', 'Y: 1')).toBe('Y: 1\r\n');
    expect(read('GET / HTTP/1.1', `Connection: ${'a,'.repeat(100)}x`)).toMatchObject({
      code: 'GW_BAD_REQUEST',
    });
  });

  it('is without names that a backend may read as fields of ours', () => {
    const mimics = [
      'content_length: 1',
      'Transfer_Encoding: chunked',
      'x_forwarded_for: 1',
      'X_Auth_Subject: me',
      'x-auth_subject: me',
      'X_Request_ID: 1',
      'HOST_: b',
      'x_real_ip: 1',
    ];
    expect(forwarded('A: 1', ...mimics, 'x_mine: 2')).toBe('A: 1\r\nHOST_: b\r\nx_mine: 2\r\n');
  });

  it('stays as it was spelt, white space and all', () => {
    expect(forwarded('a-B:\t 1 \t', 'Empty:', 'c:2')).toBe('a-B:\t 1 \t\r\nEmpty:\r\nc:2\r\n');
  });
});

describe('the connection', () => {
  it.each([
    ['1.1', [], true],
    ['1.1', ['Connection: close'], false],
    ['1.1', ['Connection: keep-alive,\tClose'], false],
    ['1.1', ['Connection: keep-alive', 'Connection: close'], false],
    ['1.1', ['Connection: closed'], true],
    ['1.0', [], false],
    ['1.0', ['Connection: keep-alive'], true],
    ['1.0', ['Connection: Keep-Alive, close'], false],
    ['1.0', ['Connection: x-keep-alive'], false],
  ])('on HTTP/%s with %j persists: %s', (version, fields, isPersistent) => {
    expect(read(`GET / HTTP/${version}`, ...fields)).toMatchObject({ isPersistent });
  });

  it.each([
    ['GET / HTTP/1.1', ['Connection: Upgrade', 'Upgrade: WebSocket'], 'websocket'],
    ['GET / HTTP/1.1', ['Connection: keep-alive, upgrade', 'Upgrade: x, websocket'], 'websocket'],
    ['GET / HTTP/1.1', ['Upgrade: websocket'], undefined],
    ['GET / HTTP/1.1', ['Connection: upgrade', 'Upgrade: h2c'], undefined],
    ['GET / HTTP/1.1', ['Connection: upgrade', 'Upgrade: websockets'], undefined],
    ['GET / HTTP/1.0', ['Connection: upgrade', 'Upgrade: websocket'], undefined],
    ['POST / HTTP/1.1', ['Connection: upgrade', 'Upgrade: websocket', 'Content-Length: 1'], undefined],
    [
      'POST / HTTP/1.1',
      ['Connection: upgrade', 'Upgrade: websocket', 'Transfer-Encoding: chunked'],
      undefined,
    ],
  ])('%s with %j is upgraded to %s', (line, fields, upgrade) => {
    expect(read(line, ...fields)).toMatchObject({ upgrade });
  });

  it.each([
    [['TE: trailers'], true],
    [['TE: gzip', 'TE: Trailers'], true],
    [['TE: trailers;q=0'], false],
    [[], false],
  ])('with %j takes trailers: %s', (fields, acceptsTrailers) => {
    expect(read('GET / HTTP/1.1', ...fields)).toMatchObject({ acceptsTrailers });
  });
});

describe('Expect', () => {
  const body = 'Content-Length: 1';

  it.each([
    ['POST / HTTP/1.1', [body, 'Expect: 100-Continue'], true],
    ['GET / HTTP/1.1', ['Expect: 100-continue'], false],
    ['POST / HTTP/1.0', [body, 'Expect: 100-continue'], false],
    ['POST / HTTP/1.0', [body, 'Expect: the unexpected'], false],
  ])('%s with %j waits: %s', (line, fields, expectsContinue) => {
    expect(read(line, ...fields)).toMatchObject({ expectsContinue });
  });

  it.each([['200-ok'], [''], ['100-continue, x'], ['100-continue,100-continue']])(
    '%j is refused',
    (value) => {
      expect(read('POST / HTTP/1.1', body, `Expect: ${value}`)).toMatchObject({
        code: 'GW_EXPECTATION_FAILED',
      });
    },
  );

  it('is not forwarded for HTTP/1.0', () => {
    const head = read('POST / HTTP/1.0', body, 'Expect: 100-continue');
    expect('headers' in head && head.headers.toLines()).toBe(`${HOST}\r\n${body}\r\n`);
  });
});
