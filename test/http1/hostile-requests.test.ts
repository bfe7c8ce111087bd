import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { rawRequest, startGatewayTo, type TestGateway } from '../support/harness.ts';
import { readResponses } from '../support/raw-responses.ts';
import { answering, type RawTarget, startRaw } from '../support/raw-target.ts';

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
const HOST = 'Host: a\r\n';

let target: RawTarget;
let gateway: TestGateway;
let port: number;
let seen: string[] = [];

beforeAll(async () => {
  target = await startRaw(
    answering((head) => {
      seen.push(head);
      return ANSWER;
    }),
  );
  gateway = await startGatewayTo(target);
  port = gateway.port;
});
beforeEach(() => {
  seen = [];
});
afterAll(async () => {
  await gateway.close();
  await target.close();
});

/** Sends bytes whose last request ends the connection, and returns the statuses of the answers. */
async function statusesFor(bytes: string): Promise<number[]> {
  const responses = readResponses(await rawRequest(port, Buffer.from(bytes, 'latin1')));
  return responses.filter(({ status }) => status >= 200).map(({ status }) => status);
}

/** A POST with these header lines, followed by a body that holds another request for who reads it otherwise. */
function post(fields: string, body = `0\r\n\r\n${SMUGGLED}`): string {
  return `POST /p HTTP/1.1\r\n${HOST}${fields}\r\n\r\n${body}`;
}

function get(line: string, fields = HOST): string {
  return `${line}\r\n${fields}\r\n${SMUGGLED}`;
}

function chunked(body: string): string {
  return post('Transfer-Encoding: chunked', `${body}${SMUGGLED}`);
}

describe('framing that could be read in two ways', () => {
  it.each<[name: string, bytes: string, status: number]>([
    ['CL.TE', post('Content-Length: 5\r\nTransfer-Encoding: chunked'), 400],
    ['TE.CL', post('Transfer-Encoding: chunked\r\nContent-Length: 5'), 400],
    ['TE.TE with two lines', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: x'), 400],
    ['TE.TE with two lines, chunked last', post('Transfer-Encoding: x\r\nTransfer-Encoding: chunked'), 400],
    ['TE twice chunked', post('Transfer-Encoding: chunked\r\ntransfer-encoding: chunked'), 400],
    ['TE xchunked', post('Transfer-Encoding: xchunked'), 400],
    ['TE chunked, identity', post('Transfer-Encoding: chunked, identity'), 400],
    ['TE identity, chunked', post('Transfer-Encoding: identity, chunked'), 400],
    ['TE chunked, chunked', post('Transfer-Encoding: chunked, chunked'), 400],
    ['TE gzip, chunked', post('Transfer-Encoding: gzip, chunked'), 400],
    ['TE identity', post('Transfer-Encoding: identity'), 400],
    ['TE with a comma', post('Transfer-Encoding: chunked,'), 400],
    ['TE with a tab behind it', post('Transfer-Encoding: chunked\t'), 400],
    ['TE with a vertical tab', post('Transfer-Encoding:\x0bchunked'), 400],
    ['TE with a NUL', post('Transfer-Encoding: chunked\0'), 400],
    ['TE with a no-break space', post('Transfer-Encoding: chunked\xa0'), 400],
    ['TE in quotes', post('Transfer-Encoding: "chunked"'), 400],
    ['TE empty', post('Transfer-Encoding:'), 400],
    ['TE folded', post('Transfer-Encoding:\r\n chunked'), 400],
    ['TE with a space before the colon', post('Transfer-Encoding : chunked'), 400],
    ['TE with a tab before the colon', post('Transfer-Encoding\t: chunked'), 400],
    ['TE behind a bare LF', post('X: y\nTransfer-Encoding: chunked'), 400],
    ['TE behind a bare CR', post('X: y\rTransfer-Encoding: chunked'), 400],
    ['TE behind a space', post(' Transfer-Encoding: chunked'), 400],
    ['TE on HTTP/1.0', post('Transfer-Encoding: chunked').replace('/1.1', '/1.0'), 400],
    ['CL with plus', post('Content-Length: +5'), 400],
    ['CL with minus', post('Content-Length: -5'), 400],
    ['CL in hexadecimal', post('Content-Length: 0x5'), 400],
    ['CL in octal', post('Content-Length: 0o5'), 400],
    ['CL with a fraction', post('Content-Length: 5.0'), 400],
    ['CL with a space within', post('Content-Length: 1 0'), 400],
    ['CL as a list', post('Content-Length: 5,5'), 400],
    ['CL as a list of two', post('Content-Length: 5, 0'), 400],
    ['CL twice, the same', post('Content-Length: 5\r\nContent-Length: 5'), 400],
    ['CL twice, different', post('Content-Length: 0\r\nContent-Length: 5'), 400],
    ['CL empty', post('Content-Length:'), 400],
    ['CL of 2^53', post('Content-Length: 9007199254740992'), 400],
    ['CL of 2^64', post('Content-Length: 18446744073709551616'), 400],
    ['CL of forty digits', post(`Content-Length: ${'0'.repeat(39)}5`), 400],
    ['CL with a space before the colon', post('Content-Length : 5'), 400],
    ['CL folded', post('Content-Length: 1\r\n 0'), 400],
    ['CL behind a bare LF', post('X: y\nContent-Length: 5'), 400],
  ])('%s is refused, and nothing behind it is served', async (_, bytes, status) => {
    expect(await statusesFor(bytes)).toEqual([status]);
    expect(seen).toEqual([]);
  });
});

describe('chunks that could be read in two ways', () => {
  it.each<[name: string, body: string]>([
    ['a size that is none', 'x\r\na\r\n0\r\n\r\n'],
    ['no size', '\r\na\r\n0\r\n\r\n'],
    ['a signed size', '+1\r\na\r\n0\r\n\r\n'],
    ['a negative size', '-1\r\na\r\n0\r\n\r\n'],
    ['a prefixed size', '0x1\r\na\r\n0\r\n\r\n'],
    ['a size with an underscore', '1_0\r\na\r\n0\r\n\r\n'],
    ['a space before the size', ' 1\r\na\r\n0\r\n\r\n'],
    ['a space behind the size', '1 \r\na\r\n0\r\n\r\n'],
    ['a tab behind the size', '1\t\r\na\r\n0\r\n\r\n'],
    ['a size that overflows 64 bits', '10000000000000001\r\na\r\n0\r\n\r\n'],
    ['a size of a hundred digits', `${'f'.repeat(100)}\r\na\r\n0\r\n\r\n`],
    ['a bare LF behind the size', '1\na\r\n0\r\n\r\n'],
    ['a bare CR behind the size', '1\ra\r\n0\r\n\r\n'],
    ['a bare LF behind the data', '1\r\na\n0\r\n\r\n'],
    ['more data than the size says', '1\r\nab\r\n0\r\n\r\n'],
    ['a bare LF in an extension', '1;a\nb\r\na\r\n0\r\n\r\n'],
    ['a bare CR in an extension', '1;a\rb\r\na\r\n0\r\n\r\n'],
    ['a NUL in an extension', '1;a\0\r\na\r\n0\r\n\r\n'],
    ['a line break in a quoted extension', '1;a="\r\n"\r\na\r\n0\r\n\r\n'],
    ['an extension beyond all bounds', `1;${'a'.repeat(17_000)}\r\na\r\n0\r\n\r\n`],
    ['zeros beyond all bounds', `${'0'.repeat(17_000)}1\r\na\r\n0\r\n\r\n`],
    ['a bare LF at the end', '1\r\na\r\n0\r\n\n'],
    ['a bare LF behind the last size', '1\r\na\r\n0\n\r\n'],
    ['a folded trailer', '1\r\na\r\n0\r\nX: 1\r\n 2\r\n\r\n'],
    ['a trailer with a space before the colon', '1\r\na\r\n0\r\nX : 1\r\n\r\n'],
    ['a trailer with a NUL', '1\r\na\r\n0\r\nX: \0\r\n\r\n'],
    ['trailers beyond all bounds', `1\r\na\r\n0\r\nX: ${'a'.repeat(17_000)}\r\n\r\n`],
    ['a request in the place of the last chunk', `1\r\na\r\n${SMUGGLED}`],
  ])('%s breaks the request, and nothing behind it is served', async (_, body) => {
    expect(await statusesFor(chunked(body))).toEqual([400]);
    const forwarded = target.connections.map(({ received }) => received).join('') + seen.join('');
    expect(forwarded).not.toMatch(/GET \/smuggled|\r\n0\r\n\r\n/);
  });
});

describe('heads that could be read in two ways', () => {
  it.each<[name: string, bytes: string, status: number]>([
    ['a space before the colon', get('GET / HTTP/1.1', `${HOST}X : y\r\n`), 400],
    ['a space in a name', get('GET / HTTP/1.1', `${HOST}X Y: z\r\n`), 400],
    ['a line without a colon', get('GET / HTTP/1.1', `${HOST}X\r\n`), 400],
    ['a line without a name', get('GET / HTTP/1.1', `${HOST}: x\r\n`), 400],
    ['a folded line', get('GET / HTTP/1.1', `${HOST}X: y\r\n z: 1\r\n`), 400],
    ['a fold behind an empty value', get('GET / HTTP/1.1', `${HOST}X:\r\n\tz: 1\r\n`), 400],
    ['a fold behind the request line', get('GET / HTTP/1.1', ` X: 1\r\n${HOST}`), 400],
    ['a bare LF', get('GET / HTTP/1.1', `${HOST}X: y\nZ: 1\r\n`), 400],
    ['a bare LF behind the request line', `GET / HTTP/1.1\n${HOST}\r\n${SMUGGLED}`, 400],
    ['a bare LF as the empty line', `GET / HTTP/1.1\r\n${HOST}\n${SMUGGLED}`, 400],
    ['a bare CR', get('GET / HTTP/1.1', `${HOST}X: y\rZ: 1\r\n`), 400],
    ['two CRs', get('GET / HTTP/1.1', `${HOST}X: y\r\r\n`), 400],
    ['a NUL in a value', get('GET / HTTP/1.1', `${HOST}X: \0\r\n`), 400],
    ['a NUL in a name', get('GET / HTTP/1.1', `${HOST}X\0: y\r\n`), 400],
    ['a control character in a value', get('GET / HTTP/1.1', `${HOST}X: \x01\r\n`), 400],
    ['DEL in a value', get('GET / HTTP/1.1', `${HOST}X: \x7f\r\n`), 400],
    ['a byte above 127 in a name', get('GET / HTTP/1.1', `${HOST}X\x80: y\r\n`), 400],
    ['no Host', get('GET / HTTP/1.1', ''), 400],
    ['two Hosts', get('GET / HTTP/1.1', `${HOST}host: b\r\n`), 400],
    ['an empty Host', get('GET / HTTP/1.1', 'Host:\r\n'), 400],
    ['a Host with a user', get('GET / HTTP/1.1', 'Host: u@a\r\n'), 400],
    ['a Host with a path', get('GET / HTTP/1.1', 'Host: a/b\r\n'), 400],
    ['a Host with a space', get('GET / HTTP/1.1', 'Host: a b\r\n'), 400],
    ['a Host with a comma', get('GET / HTTP/1.1', 'Host: a,b\r\n'), 400],
    ['a Host with port 99999', get('GET / HTTP/1.1', 'Host: a:99999\r\n'), 400],
    ['a Host with a port that is none', get('GET / HTTP/1.1', 'Host: a:80x\r\n'), 400],
    ['a Host with a backslash', get('GET / HTTP/1.1', 'Host: a\\b\r\n'), 400],
    ['an absolute target with a user', get('GET http://u@a/ HTTP/1.1'), 400],
    ['an absolute target without a host', get('GET http:///x HTTP/1.1'), 400],
    ['an absolute target and a Host that is none', get('GET http://a/ HTTP/1.1', 'Host: b/c\r\n'), 400],
    ['a target without a slash', get('GET x HTTP/1.1'), 400],
    ['a target with a byte above 127', get('GET /\x80 HTTP/1.1'), 400],
    ['authority form for GET', get('GET a:80 HTTP/1.1'), 400],
    ['CONNECT', get('CONNECT a:443 HTTP/1.1'), 501],
    ['CONNECT to a path', get('CONNECT / HTTP/1.1'), 501],
    ['TRACE', get('TRACE / HTTP/1.1'), 501],
    ['a method in lower case', get('get / HTTP/1.1'), 501],
    ['a method that nobody knows', get('BREW / HTTP/1.1'), 501],
    ['a method with a colon', get('GET: / HTTP/1.1'), 400],
    ['two spaces behind the method', get('GET  / HTTP/1.1'), 400],
    ['two spaces before the version', get('GET /  HTTP/1.1'), 400],
    ['a space behind the version', get('GET / HTTP/1.1 '), 400],
    ['a tab behind the method', get('GET\t/ HTTP/1.1'), 400],
    ['a space before the method', get(' GET / HTTP/1.1'), 400],
    ['no version', `GET /\r\n\r\n${SMUGGLED}`, 505],
    ['HTTP/0.9', get('GET / HTTP/0.9'), 505],
    ['HTTP/3.0', get('GET / HTTP/3.0'), 505],
    ['HTTP/1.10', get('GET / HTTP/1.10'), 400],
    ['HTTP/1', get('GET / HTTP/1'), 400],
    ['HTTP/2', get('GET / HTTP/2'), 400],
    ['HTTP/01.01', get('GET / HTTP/01.01'), 400],
    ['HTTP/1.1.1', get('GET / HTTP/1.1.1'), 400],
    ['HTTP/1.', get('GET / HTTP/1.'), 400],
    ['HTTP/.1', get('GET / HTTP/.1'), 400],
    ['HTTP/1,1', get('GET / HTTP/1,1'), 400],
    ['HTTP/2.0', get('GET / HTTP/2.0'), 505],
    ['the preface of HTTP/2', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${SMUGGLED}`, 505],
    ['a version in lower case', get('GET / http/1.1'), 400],
    ['RTSP', get('GET / RTSP/1.0'), 505],
    ['ICE', get('SOURCE / ICE/1.0'), 505],
    ['TLS', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03', 400],
    ['an unknown expectation', get('GET / HTTP/1.1', `${HOST}Expect: x\r\n`), 417],
    ['empty lines without end', `${'\r\n'.repeat(9000)}${SMUGGLED}`, 431],
    ['many options in Connection', get('GET / HTTP/1.1', `${HOST}Connection: ${'a,'.repeat(200)}\r\n`), 400],
  ])('%s is refused, and nothing behind it is served', async (_, bytes, status) => {
    expect(await statusesFor(bytes)).toEqual([status]);
    expect(seen).toEqual([]);
  });

  it.each([
    'GET ftp://a/ HTTP/1.1',
    'GET /x#y HTTP/1.1',
    'GET * HTTP/1.1',
    'GET /a\\b HTTP/1.1',
    'GET /%00 HTTP/1.1',
    'GET /%2e%2e%2fb HTTP/1.1',
    'GET /"x" HTTP/1.1',
    'GET /<x> HTTP/1.1',
    'GET http://a/%zz HTTP/1.1',
  ])('%s asks for nothing that there could be', async (line) => {
    expect(await statusesFor(`${line}\r\n${HOST}Connection: close\r\n\r\n`)).toEqual([400]);
    expect(seen).toEqual([]);
  });
});

/** Sends a request whose last line closes the connection, and returns what the target got. */
async function forwarded(line: string, fields: string, body = ''): Promise<string> {
  expect(await statusesFor(`${line}\r\n${fields}Connection: close\r\n\r\n${body}`)).toEqual([200]);
  expect(seen).toHaveLength(1);
  return seen[0] as string;
}

describe('what a target gets', () => {
  it('of an absolute target is its path and its authority, whatever Host says', async () => {
    const head = await forwarded('GET http://b.example:81/x?y HTTP/1.1', 'Host: a\r\n');
    expect(head).toMatch(/^GET \/x\?y HTTP\/1\.1\r\nhost: b\.example:81\r\n/);
    expect(head.match(/host: /gi)).toHaveLength(2);
    expect(head).toContain('x-forwarded-host: b.example:81\r\n');
  });

  it('of an https target is the same', async () => {
    expect(await forwarded('GET https://b.example/ HTTP/1.1', HOST)).toMatch(
      /^GET \/ .*\r\nhost: b\.example\r\n/,
    );
  });

  it('of names with `_` is nothing that it could take for framing or for what we say', async () => {
    const head = await forwarded(
      'POST / HTTP/1.1',
      `${HOST}content_length: 5\r\nTransfer_Encoding: chunked\r\nx_auth_subject: me\r\nX_Forwarded_For: 1.1.1.1\r\nx_mine: 1\r\n`,
    );
    expect(head).not.toMatch(/content_|transfer_|x_auth|1\.1\.1\.1/i);
    expect(head).toContain('content-length: 0\r\n');
    expect(head).toContain('x_mine: 1\r\n');
  });

  it('of an upgrade to HTTP/2 is a plain request', async () => {
    const h2c = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n';
    expect(await forwarded('GET / HTTP/1.1', `${HOST}${h2c}`)).not.toMatch(/upgrade|h2c|settings/i);
  });

  it.each(['Content-Length', 'Host', 'X-Forwarded-For', 'Authorization', 'Transfer-Encoding', 'Via'])(
    'does not lose its meaning where Connection names %s',
    async (name) => {
      const fields = `${HOST}Connection: ${name}\r\nContent-Length: ${SMUGGLED.length}\r\nAuthorization: x\r\n`;
      const head = await forwarded('POST / HTTP/1.1', fields, SMUGGLED);
      expect(head).toMatch(/^POST \/ HTTP\/1\.1\r\nhost: a\r\n/);
      expect(head).toContain(`content-length: ${SMUGGLED.length}\r\n`);
      expect(head).toContain('x-forwarded-for: 127.0.0.1\r\n');
      expect(head).toContain('via: 1.1 sallyport\r\n');
      expect(head.includes('Authorization: x')).toBe(name !== 'Authorization');
      expect(head.endsWith(`\r\n\r\n${SMUGGLED}`)).toBe(true);
    },
  );

  it('of a GET with a body is that body, not another request', async () => {
    const fields = `${HOST}Content-Length: ${SMUGGLED.length}\r\n`;
    const bytes = await forwarded('GET / HTTP/1.1', fields, SMUGGLED);
    expect(bytes).toContain(`content-length: ${SMUGGLED.length}\r\n`);
  });

  it('of chunks is one chunk without extensions, whatever their sizes', async () => {
    const body =
      '1;a=b\r\nx\r\n0001;c="d;e"\r\ny\r\nA\r\n0123456789\r\n00\r\nX-Sum: 1\r\nHost: b\r\nX-Auth-Subject: me\r\n\r\n';
    const bytes = await forwarded('POST / HTTP/1.1', `${HOST}Transfer-Encoding: chunked\r\n`, body);
    expect(bytes).toMatch(/transfer-encoding: chunked\r\n\r\nc\r\nxy0123456789\r\n0\r\nX-Sum: 1\r\n\r\n$/);
  });

  it('of an expectation in HTTP/1.0 is nothing', async () => {
    const bytes = await forwarded(
      'POST / HTTP/1.0',
      `${HOST}Expect: 100-continue\r\nContent-Length: 1\r\n`,
      'x',
    );
    expect(bytes).not.toMatch(/expect/i);
    expect(bytes.endsWith('\r\n\r\nx')).toBe(true);
  });

  it('of values is every byte as it was, up to white space around them', async () => {
    const value = `${String.fromCharCode(...Array.from({ length: 128 }, (_, i) => 128 + i))}\t~`;
    expect(await forwarded('GET / HTTP/1.1', `${HOST}X:\t ${value} \t\r\n`)).toContain(
      `X:\t ${value} \t\r\n`,
    );
  });
});

describe('what comes behind the last request', () => {
  const close = `GET /last HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;

  it.each([
    ['that says so', close],
    ['in HTTP/1.0', `GET /last HTTP/1.0\r\n${HOST}\r\n`],
    [
      'that says so in another line',
      `GET /last HTTP/1.1\r\n${HOST}Connection: x\r\nConnection:\tClose\r\n\r\n`,
    ],
  ])('%s is not served', async (_, bytes) => {
    expect(await statusesFor(`${bytes}${SMUGGLED}`)).toEqual([200]);
    expect(seen).toHaveLength(1);
  });

  it('is not served after a rejection, in the same read or later', async () => {
    const pieces = ['GET / HTTP/1.1\r\n\r\n', SMUGGLED, SMUGGLED];
    expect(readResponses(await rawRequest(port, pieces)).map(({ status }) => status)).toEqual([400]);
    expect(seen).toEqual([]);
  });
});
