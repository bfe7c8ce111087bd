const LINES = [
  'HTTP/1.1 200 OK',
  'HTTP/1.1 200',
  'HTTP/1.1 200 ',
  'HTTP/1.0 200 OK',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 304 Not Modified',
  'HTTP/1.1 404 Not Found',
  'HTTP/1.1 299 Sch\xf6n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 3\r\n\r\nHTTP/1.1 200 OK',
  'HTTP/1.0 103 Early Hints\r\n\r\nHTTP/1.1 200 OK',
  'HTTP/1.0 103 Early Hints\r\nConnection: keep-alive\r\n\r\nHTTP/1.1 200 OK',
  'HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\nHTTP/1.1 200 OK',
  'HTTP/1.1 101 Switching Protocols',
  'HTTP/1.1 600 What',
  'HTTP/1.1 099 What',
  'HTTP/1.1 20 OK',
  'HTTP/1.1 2000 OK',
  'HTTP/1.1  200 OK',
  'HTTP/1.2 200 OK',
  'HTTP/2.0 200 OK',
  'HTTP/0.9 200 OK',
  'ICY 200 OK',
  '\r\nHTTP/1.1 200 OK',
];

const FIELDS = [
  [],
  ['Server: x', 'Empty:', 'Set-Cookie: a=b', 'Set-Cookie: c=d'],
  ['Connection: close'],
  ['Connection: X-Gone', 'X-Gone: 1', 'Keep-Alive: timeout=5'],
  ['Connection: Upgrade', 'Upgrade: websocket'],
];

const BODIES: readonly (readonly [fields: readonly string[], body: string])[] = [
  [[], 'until close'],
  [['Content-Length: 0'], ''],
  [['Content-Length: 5'], 'hello'],
  [['Content-Length: 9'], 'hello'],
  [['Content-Length: 5'], 'hello, more'],
  [['Content-Length: 5', 'Content-Length: 5'], 'hello'],
  [['Content-Length: 5, 5'], 'hello'],
  [['Content-Length: -5'], 'hello'],
  [['Content-Length:'], 'hello'],
  [['Content-Length: 9007199254740993'], 'hello'],
  [['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding: chunked'], '5;x="y"\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 5\r\n\r\n'],
  [['Transfer-Encoding: chunked'], '5\r\nhello\r\n'],
  [['Transfer-Encoding: chunked'], '5\r\nhelloX\r\n0\r\n\r\n'],
  [['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\nmore'],
  [['Transfer-Encoding: chunked\t'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding: gzip, chunked'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding: chunked, gzip'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding: gzip'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding:'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding: chunked', 'Content-Length: 5'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Content-Length: 5', 'X: 1\n'], 'hello'],
  [['Content-Length: 5', 'X: 1\rY: 2'], 'hello'],
  [['Content-Length: 5', 'X: 1', ' folded'], 'hello'],
  [['Content-Length: 5', 'X : 1'], 'hello'],
  [['Content-Length: 5', 'X: \0'], 'hello'],
];

/** Hundreds of streams of bytes that are answers, or nearly. */
export function responseSeeds(): string[] {
  const seeds = [
    '',
    'H',
    'hello',
    'HTTP/1.1 200 OK\n\nbody',
    'HTTP/1.1 200 OK\r\n',
    '\x15\x03\x01\0\x02\x02',
  ];
  for (const line of LINES) {
    for (const [i, fields] of FIELDS.entries()) {
      for (const [j, [framing, body]] of BODIES.entries()) {
        if (i > 0 && (i + j) % 5 !== 0) continue;
        seeds.push(`${[line, ...fields, ...framing].join('\r\n')}\r\n\r\n${body}`);
      }
    }
  }
  return seeds;
}
