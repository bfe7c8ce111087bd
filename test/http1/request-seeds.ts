const LINES = [
  'GET / HTTP/1.1',
  'GET /a/b?c=d&e HTTP/1.1',
  'HEAD / HTTP/1.1',
  'POST /p HTTP/1.1',
  'PUT /p HTTP/1.0',
  'DELETE /p HTTP/1.1',
  'OPTIONS * HTTP/1.1',
  'GET http://a.example/x?y HTTP/1.1',
  'GET / HTTP/1.0',
  'QUERY /q HTTP/1.1',
];

const HOST = 'Host: a.example';

/** Header lines that say something about the connection, the body or how far one reads. */
const FIELDS = [
  [],
  ['Accept: */*', 'Empty:', 'Blank:  \t ', 'X-Pad: a b\t '],
  ['Connection: close'],
  ['Connection: keep-alive, X-Gone', 'X-Gone: 1', 'Keep-Alive: timeout=5'],
  ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
  ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'],
  ['Expect: 100-continue'],
  ['Expect: 200-maybe'],
  ['TE: trailers', 'Trailer: X-Sum'],
  ['Cookie: a=b', 'Cookie: c=d', 'X-\xfcber: 1'],
  ['X-Obs: \x80\xff', 'content_length: 3', 'X_Auth_Subject: me'],
];

/** What says where the body ends, and bodies that fit or do not. */
const BODIES: readonly (readonly [fields: readonly string[], body: string])[] = [
  [[], ''],
  [['Content-Length: 0'], ''],
  [['Content-Length: 5'], 'hello'],
  [['Content-Length: 5'], 'hellohello'],
  [['Content-Length: 5', 'Content-Length: 5'], 'hello'],
  [['Content-Length: 5, 5'], 'hello'],
  [['Content-Length: +5'], 'hello'],
  [['Content-Length:'], ''],
  [['Content-Length: 9007199254740992'], 'hello'],
  [['Content-Length: 00005'], 'hello'],
  [['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'],
  [
    ['Transfer-Encoding: Chunked '],
    '1;x=y\r\nh\r\nA;q="\\""\r\n0123456789\r\n0\r\nX-Sum: 1\r\nContent-Length: 5\r\n\r\n',
  ],
  [['Transfer-Encoding: chunked\t'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding: gzip, chunked'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding: chunked, identity'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding:'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding: chunked', 'Content-Length: 5'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Content-Length: 15', 'Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding: xchunked'], '5\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding: chunked'], '0005\r\nhello\r\n000\r\n\r\n'],
  [['Transfer-Encoding: chunked'], '5 \r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding: chunked'], 'fffffffffffffffff\r\nhello\r\n0\r\n\r\n'],
  [['Transfer-Encoding: chunked'], '5\r\nhelloX\r\n0\r\n\r\n'],
];

/** Whole streams that do not come of the parts above. */
const STREAMS = [
  '\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET / HTTP/1.1\r\n\r\n',
  'GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET / HTTP/1.1\r\nHost:\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a b\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n',
  'GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET http://a:99999/ HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\nxGET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n',
  'GET / HTTP/1.1\r\nHost : a\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n',
  'GET / HTTP/1.1\nHost: a\n\n',
  'GET / HTTP/1.1\r\nHost: a\r\nX: 1\nY: 2\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nX: 1\0\r\n\r\n',
  'GET  / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /  HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /\r\n\r\n',
  'GET / HTTP/0.9\r\nHost: a\r\n\r\n',
  'GET / HTTP/1.2\r\nHost: a\r\n\r\n',
  'GET / HTTP/2.0\r\nHost: a\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'GET / RTSP/1.0\r\nHost: a\r\n\r\n',
  'SOURCE / ICE/1.0\r\nHost: a\r\n\r\n',
  'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nbytes',
  'TRACE / HTTP/1.1\r\nHost: a\r\n\r\n',
  'get / HTTP/1.1\r\nHost: a\r\n\r\n',
  'BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n',
  'M-SEARCH * HTTP/1.1\r\nHost: a\r\n\r\n',
  '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
];

/** Hundreds of streams of bytes that are requests, nearly requests, or several of them. */
export function requestSeeds(): string[] {
  const seeds = [...STREAMS];
  for (const line of LINES) {
    for (const [i, fields] of FIELDS.entries()) seeds.push(requestOf(line, fields, BODIES[(i * 7) % 12]));
    for (const body of BODIES) seeds.push(requestOf(line, [], body));
  }
  const singles = seeds.slice();
  for (let i = 0; i < 120; i++) {
    seeds.push(
      `${singles[(i * 37) % singles.length]}${singles[(i * 61 + 13) % singles.length]}${singles[28]}`,
    );
  }
  return seeds;
}

function requestOf(line: string, fields: readonly string[], body = BODIES[0]): string {
  const [framing, content] = body as (typeof BODIES)[number];
  return `${[line, HOST, ...fields, ...framing].join('\r\n')}\r\n\r\n${content}`;
}
