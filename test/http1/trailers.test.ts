import { describe, expect, it } from 'vitest';
import { readTrailers } from '../../src/http1/trailers.ts';
import { serveStream } from './serve-stream.ts';

const HEAD = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';

/** The trailers that a chunked request with this trailer section has, or how it was refused. */
function trailersOf(section: string) {
  const { messages, isRejected } = serveStream([
    Buffer.from(`${HEAD}1\r\nx\r\n0\r\n${section}\r\n`, 'latin1'),
  ]);
  return messages[0]?.isComplete ? messages[0].trailers : { isRejected };
}

describe('trailers', () => {
  it('keep their order, spelling and repetition', () => {
    expect(trailersOf('X-Sum: 1\r\nx-sum:\t2 \r\nETag: "a"\r\nEmpty:\r\n')).toEqual([
      ['X-Sum', '1'],
      ['x-sum', '2'],
      ['ETag', '"a"'],
      ['Empty', ''],
    ]);
  });

  it.each([
    ...[
      'Content-Length',
      'content_length',
      'Transfer-Encoding',
      'Transfer_Encoding',
      'Host',
      'Connection',
      'TE',
    ],
    ...['Trailer', 'Upgrade', 'Expect', 'Keep-Alive', 'Proxy-Connection', 'HTTP2-Settings', 'Max-Forwards'],
    ...['Authorization', 'authorization', 'Proxy-Authorization', 'Cookie', 'Set-Cookie', 'WWW-Authenticate'],
    ...[
      'X-Auth-Subject',
      'x_auth_roles',
      'X-Forwarded-For',
      'X_Forwarded_For',
      'X-Forwarded-Proto',
      'X-Real-IP',
    ],
    ...[
      'X-Forwarded-Host',
      'X-Forwarded-Port',
      'X-Forwarded-Prefix',
      'Forwarded',
      'Via',
      'X-Request-Id',
      'Origin',
    ],
    ...[
      'Content-Type',
      'Content-Encoding',
      'Content-Range',
      'Cache-Control',
      'Range',
      'If-Match',
      'Location',
      'Date',
    ],
    ...[
      'Access-Control-Allow-Origin',
      'Sec-WebSocket-Key',
      'Sec-Fetch-Site',
      'If-None-Match',
      'Proxy-Authenticate',
      'X-HTTP-Method-Override',
    ],
    ...['X-Forwarded-User', 'X-SSL-Client-Cert', 'Client_Cert', 'True-Client-IP', 'X_Original_URL'],
  ])('never say %s', (name) => {
    expect([...(readTrailers(['X-Sum', '1', name, '5']) ?? [])]).toEqual([['X-Sum', '1']]);
    // llhttp refuses some of them already.
    expect(JSON.stringify(trailersOf(`${name}: 5\r\n`))).toMatch(/^(\[\]|\{"isRejected":true\})$/);
  });

  it.each(['X : 1\r\n', 'X: 1\r\n 2\r\n', 'X: 1\n', 'X: \0\r\n', ': 1\r\n', 'X\r\n', 'X: 1\rY: 2\r\n'])(
    'that are malformed, as %j, break the body',
    (section) => expect(trailersOf(section)).toEqual({ isRejected: true }),
  );

  it('are as many as a head may have fields, at most', () => {
    expect(trailersOf('a: b\r\n'.repeat(100))).toHaveLength(100);
    expect(trailersOf('a: b\r\n'.repeat(101))).toEqual({ isRejected: true });
  });

  it('lose spaces and tabs around values, and no other bytes', () => {
    expect(trailersOf('a: \t\xa0b\xa0 \t\r\n')).toEqual([['a', '\xa0b\xa0']]);
  });

  it('are none where nothing may pass', () => {
    expect(readTrailers([])).toBeUndefined();
    expect(readTrailers(['Host', 'a'])).toBeUndefined();
  });
});
