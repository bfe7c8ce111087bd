import { describe, expect, it } from 'vitest';
import { rawRequest, startGatewayTo, startTarget, type TestConfig } from '../support/harness.ts';
import { readOnly } from '../support/raw-responses.ts';

/** Sends one request through a gateway. Returns the header lines that the target got, and the answer. */
async function forward(
  lines: readonly string[],
  config: TestConfig = {},
  requestLine = 'GET / HTTP/1.1',
  answerHeaders: Readonly<Record<string, string | string[]>> = {},
) {
  const target = await startTarget((_, response) => {
    for (const [name, value] of Object.entries(answerHeaders)) response.setHeader(name, value);
    response.end('x');
  });
  const { port } = await startGatewayTo(target, config);
  const received = await rawRequest(
    port,
    [requestLine, 'Host: shop.example:8080', 'Connection: close', ...lines, '', ''].join('\r\n'),
  );
  const raw = target.requests[0]?.rawHeaders ?? [];
  const sent: string[] = [];
  for (let i = 0; i < raw.length; i += 2) sent.push(`${raw[i]}: ${raw[i + 1]}`);
  return { sent, headers: target.requests[0]?.headers ?? {}, response: readOnly(received) };
}

const TRUSTED: TestConfig = { trustedProxies: ['127.0.0.0/8'] };
const WRITING: TestConfig = {
  trustedProxies: {
    addresses: ['127.0.0.0/8'],
    writes: [
      ...['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port'],
      ...['x-real-ip', 'forwarded'],
    ],
  },
};

describe('towards the target', () => {
  it('sends what a policy says in x-real-ip, and not what a client says there', async () => {
    const policies = [{ headers: { request: { set: { 'x-real-ip': '{clientAddress}' } } } }];
    const { sent } = await forward(['X-Real-IP: 192.0.2.1'], { policies } as TestConfig);
    expect(sent.filter((line) => /^x[-_]real[-_]ip/i.test(line))).toEqual(['x-real-ip: 127.0.0.1']);
  });

  it('says who asks, how, and under which name, and nothing else is added', async () => {
    const { sent } = await forward(['Accept: */*']);
    expect(sent.map((line) => line.toLowerCase()).sort()).toEqual([
      'accept: */*',
      'host: shop.example:8080',
      'via: 1.1 sallyport',
      'x-forwarded-for: 127.0.0.1',
      'x-forwarded-host: shop.example:8080',
      'x-forwarded-proto: http',
    ]);
  });

  it('keeps order, spelling and repetition of what it passes on', async () => {
    const { sent } = await forward(['X-B: 1', 'x-a: 2', 'X-B: 3', 'Cookie: a=1', 'Cookie: b=2', 'X-Empty:']);
    const own = /^(host|via|x-forwarded-)/i;
    expect(sent.filter((line) => !own.test(line))).toEqual([
      'X-B: 1',
      'x-a: 2',
      'X-B: 3',
      'Cookie: a=1',
      'Cookie: b=2',
      'X-Empty: ',
    ]);
  });

  it('passes on bytes above 127 in values as they came', async () => {
    const { headers } = await forward(['X-Name: caf\xe9 \xc3\xa9']);
    expect(headers['x-name']).toBe('caf\xe9 \xc3\xa9');
  });

  it('drops hop-by-hop fields', async () => {
    const { headers } = await forward([
      'Keep-Alive: timeout=5',
      'Proxy-Connection: keep-alive',
      'Proxy-Authorization: Basic eDp5',
      'TE: gzip',
      'Upgrade: foo',
      'HTTP2-Settings: AAMAAABk',
    ]);
    for (const name of [
      'keep-alive',
      'proxy-connection',
      'proxy-authorization',
      'te',
      'upgrade',
      'http2-settings',
    ])
      expect(headers[name], name).toBeUndefined();
  });

  it('drops fields that `Connection` names, but none that would change who is asked or how much is sent', async () => {
    const { headers } = await forward(
      [
        'Connection: X-Hop, x-other',
        'Connection: Host, Content-Length',
        'X-Hop: 1',
        'X-OTHER: 2',
        'X-Stay: 3',
        'Content-Length: 0',
      ],
      {},
      'POST / HTTP/1.1',
    );
    expect(headers).toMatchObject({ host: 'shop.example:8080', 'content-length': '0', 'x-stay': '3' });
    expect(headers['x-hop']).toBeUndefined();
    expect(headers['x-other']).toBeUndefined();
  });

  it('still says who asks where `Connection` names those fields', async () => {
    const { headers } = await forward([
      'Connection: X-Forwarded-For, X-Forwarded-Proto, Via, X-Forwarded-Host',
    ]);
    expect(headers).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'shop.example:8080',
      via: '1.1 sallyport',
    });
  });

  it('says `TE: trailers` for a client that takes trailers', async () => {
    const { headers } = await forward(['TE: gzip, trailers', 'Connection: TE']);
    expect(headers).toMatchObject({ te: 'trailers', connection: 'te' });
  });

  it.each(['x-auth-user', 'X-Auth-Roles', 'x_auth_user', 'X_AUTH-scopes', 'x-auth_anything'])(
    'never passes %s on, not even from a trusted proxy',
    async (name) => {
      for (const config of [{}, TRUSTED]) {
        const { sent } = await forward([`${name}: root`, 'x-authority: stays'], config);
        expect(sent.filter((line) => line.includes('root'))).toEqual([]);
        expect(sent).toContain('x-authority: stays');
      }
    },
  );

  const claims = [
    'X-Forwarded-For: 192.0.2.1',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: public.example',
    'X-Forwarded-Port: 8443',
    'X-Real-IP: 192.0.2.1',
    'Forwarded: for=192.0.2.1;proto=https',
  ];

  it('drops or replaces what a client claims about itself', async () => {
    const { headers } = await forward(claims);
    expect(headers).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'shop.example:8080',
    });
    expect(headers['x-forwarded-port']).toBeUndefined();
    expect(headers['x-real-ip']).toBeUndefined();
    expect(headers.forwarded).toBeUndefined();
  });

  it('drops the same claims in other spellings, from anyone', async () => {
    const spelt = claims.map((line) =>
      line.replace(/^[^:]+/, (name) => name.replaceAll('-', '_').toUpperCase()),
    );
    for (const config of [{}, TRUSTED]) {
      const { sent } = await forward(
        spelt.filter((line) => line.includes('_')),
        config,
      );
      expect(sent.filter((line) => /192\.0\.2\.1|public\.example|8443/.test(line))).toEqual([]);
    }
  });

  it('adds to what a trusted proxy says', async () => {
    const { headers } = await forward([...claims, 'X-Forwarded-For: 192.0.2.2'], WRITING);
    expect(headers).toMatchObject({
      'x-forwarded-for': '192.0.2.1, 192.0.2.2, 127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'public.example:8443',
      'x-forwarded-port': '8443',
      'x-real-ip': '192.0.2.1',
      forwarded: 'for=192.0.2.1;proto=https',
    });
  });

  it('says the same in `Forwarded` where asked to, behind what a trusted proxy said', async () => {
    const ours = 'for=127.0.0.1;host="shop.example:8080";proto=http';
    expect((await forward([], { forwarded: true })).headers.forwarded).toBe(ours);
    expect((await forward(claims, { forwarded: true })).headers.forwarded).toBe(ours);
    const { headers } = await forward(claims, { ...WRITING, forwarded: true });
    expect(headers.forwarded).toBe(
      'for=192.0.2.1;proto=https, for=127.0.0.1;host="public.example:8443";proto=https',
    );
  });

  it('adds itself to `Via`, with the version that the client spoke', async () => {
    const { headers } = await forward(['Via: 1.1 front'], {}, 'GET / HTTP/1.0');
    expect(headers.via).toBe('1.1 front, 1.0 sallyport');
  });

  it('sends the authority of an absolute target as `Host`', async () => {
    const { headers } = await forward([], {}, 'GET http://other.example/ HTTP/1.1');
    expect(headers).toMatchObject({ host: 'other.example', 'x-forwarded-host': 'other.example' });
  });

  it('does not send one request’s fields with the next on the same connection', async () => {
    const target = await startTarget((_, response) => response.end('x'));
    const { port } = await startGatewayTo(target, WRITING);
    const get = (lines: string) => `GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`;
    await rawRequest(port, [
      get('X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Secret: 1\r\n'),
      get('X-Forwarded-Host: b\r\n'),
      get('Connection: close\r\n'),
    ]);
    const [first, second, third] = target.requests.map(({ headers }) => headers);
    expect(first).toMatchObject({ 'x-forwarded-for': '192.0.2.1, 127.0.0.1', 'x-forwarded-proto': 'https' });
    expect(second).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'b',
    });
    expect(third).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': 'a' });
    expect(second?.['x-secret']).toBeUndefined();
  });
});

describe('towards the client', () => {
  it('adds itself to `Via`', async () => {
    const { response } = await forward([], {}, 'GET / HTTP/1.1', { via: '1.1 behind' });
    expect(response.headers.via).toBe('1.1 behind, 1.1 sallyport');
  });

  it('drops hop-by-hop fields and those that `Connection` names', async () => {
    const { response } = await forward([], {}, 'GET / HTTP/1.1', {
      connection: 'x-hop, keep-alive',
      'x-hop': '1',
      'keep-alive': 'timeout=5',
      'proxy-connection': 'keep-alive',
      upgrade: 'h2c',
      'x-stay': '2',
    });
    expect(response.headers).toMatchObject({ connection: 'close', 'x-stay': '2' });
    for (const name of ['x-hop', 'keep-alive', 'proxy-connection', 'upgrade'])
      expect(response.headers[name], name).toBeUndefined();
  });

  it('passes on each of several cookies by itself, and the date of the target', async () => {
    const date = 'Tue, 15 Nov 1994 08:12:31 GMT';
    const { response } = await forward([], {}, 'GET / HTTP/1.1', { 'set-cookie': ['a=1', 'b=2'], date });
    expect(response.head.match(/set-cookie: .*/gi)).toEqual(['set-cookie: a=1', 'set-cookie: b=2']);
    expect(response.head.match(/date: .*/gi)).toEqual([`date: ${date}`]);
  });

  it('says a date where the target says none', async () => {
    const target = await startTarget((_, response) => {
      response.sendDate = false;
      response.end('x');
    });
    const { port } = await startGatewayTo(target);
    const response = readOnly(
      await rawRequest(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
    );
    expect(Math.abs(Date.parse(response.headers.date ?? '') - Date.now())).toBeLessThan(60_000);
  });
});
