import { describe, expect, test } from 'vitest';
import { createSecretSigner, goodClaims, signToken } from '../auth/test-tokens.ts';
import { rawRequest, startGateway, startTarget, type TestTarget } from '../support/harness.ts';
import { hasResponses, readResponses } from '../support/raw-responses.ts';

const SECRET = 'a secret of the gateway and its issuer, 42';
const TOKEN = signToken(createSecretSigner(SECRET), goodClaims());
const EVIL = 'Origin: https://evil.example';
const COOKIE = `Cookie: sid=${TOKEN}`;
const UPGRADE = [
  ...['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];

async function setUp(policies: readonly unknown[] | ((service: TestTarget) => readonly unknown[])) {
  const service = await startTarget((_, response) => void response.writeHead(204).end());
  const target = await startTarget();
  const gateway = await startGateway({
    authServices: { main: { secret: SECRET, algorithms: ['HS256'], audience: 'any' } },
    upstreams: { service: { targets: [target.url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    policies: typeof policies === 'function' ? policies(service) : policies,
  } as object);
  const ask = async (method: string, ...lines: readonly string[]): Promise<number | undefined> => {
    const isUpgrade = lines.includes(UPGRADE[0] as string);
    const own = ['Host: api.example.com', ...(isUpgrade ? [] : ['Connection: close'])];
    const head = [
      `${method} / HTTP/1.1`,
      ...own,
      ...lines,
      ...(method === 'GET' ? [] : ['Content-Length: 0']),
    ];
    const text = `${head.join('\r\n')}\r\n\r\n`;
    // A connection that asks for another protocol stays open.
    const until = hasResponses(1, [method]);
    return readResponses(await rawRequest(gateway.port, text, { until }), [method])[0]?.status;
  };
  return { service, target, ask };
}

const inCookie = (options: object = {}) => [{ jwt: { from: { cookie: 'sid' }, ...options } }];

describe('a page of another origin', () => {
  test.each<[string, readonly string[]]>([
    ['that sends its origin', [EVIL]],
    ['without an origin of its own', ['Origin: null']],
    ['of the same site', ['Origin: https://www.example.com', 'Sec-Fetch-Site: same-site']],
    ['that sends no origin', ['Sec-Fetch-Site: cross-site']],
    ['of another port', ['Origin: http://api.example.com:8080']],
    ['of a longer name', ['Origin: http://api.example.com.evil.example']],
    ['of two origins', ['Origin: http://api.example.com', EVIL]],
    ['of two sites', ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: cross-site']],
  ])('sends nothing unsafe with a token in a cookie: %s', async (_, lines) => {
    const { target, ask } = await setUp(inCookie());
    for (const method of ['POST', 'DELETE', 'PUT', 'PATCH', 'PROPFIND'])
      expect(await ask(method, COOKIE, ...lines)).toBe(403);
    expect(target.requests).toHaveLength(0);
  });

  test('opens no WebSocket with a token in a cookie', async () => {
    const { target, ask } = await setUp(inCookie());
    expect(await ask('GET', COOKIE, EVIL, ...UPGRADE)).toBe(403);
    expect(target.requests).toHaveLength(0);
  });

  test('may read, which cors decides about', async () => {
    const { ask } = await setUp(inCookie());
    expect([await ask('GET', COOKIE, EVIL), await ask('HEAD', COOKIE, EVIL)]).toEqual([200, 200]);
  });

  test.each<[string, readonly string[]]>([
    ['no browser', []],
    ['the own origin', ['Origin: http://api.example.com', 'Sec-Fetch-Site: same-origin']],
    [
      'the own origin, by its name alone',
      ['Origin: http://API.example.com:80'.toLowerCase().replace('origin', 'Origin')],
    ],
    ['the own origin, where TLS ends before us', ['Origin: https://api.example.com']],
    ['the user', ['Sec-Fetch-Site: none']],
  ])('is not what sends for %s', async (_, lines) => {
    const { ask } = await setUp(inCookie());
    expect(await ask('POST', COOKIE, ...lines)).toBe(200);
  });

  test('may send a token in a header, which no page can without cors', async () => {
    const { ask } = await setUp([{ jwt: { from: { cookie: 'sid', header: 'authorization' } } }]);
    expect(await ask('POST', `Authorization: Bearer ${TOKEN}`, EVIL)).toBe(200);
    expect(await ask('POST', COOKIE, EVIL)).toBe(403);
  });

  test('is let in where origins names it, or cors with credentials', async () => {
    const named = await setUp(inCookie({ origins: ['https://*.example.org'] }));
    expect(await named.ask('POST', COOKIE, 'Origin: https://app.example.org')).toBe(200);
    expect(await named.ask('POST', COOKIE, EVIL)).toBe(403);
    const cors = (credentials: boolean) => ({ cors: { origins: ['https://evil.example'], credentials } });
    const byCors = await setUp([cors(true), ...inCookie()]);
    expect(await byCors.ask('POST', COOKIE, EVIL, 'Sec-Fetch-Site: cross-site')).toBe(200);
    const without = await setUp([cors(false), ...inCookie()]);
    expect(await without.ask('POST', COOKIE, EVIL)).toBe(403);
    const every = await setUp(inCookie({ origins: ['*'] }));
    expect(await every.ask('POST', COOKIE, EVIL)).toBe(200);
  });

  test('is refused within any, where the cookie decides', async () => {
    const { ask } = await setUp([{ any: ['api-key', { jwt: { from: { cookie: 'sid' } } }] }]);
    expect(await ask('POST', COOKIE, EVIL)).toBe(403);
    expect(await ask('POST', COOKIE)).toBe(200);
  });

  test('is refused before a service that gets cookies is asked', async () => {
    const { service, target, ask } = await setUp(({ url }) => [
      { 'forward-auth': { url, requestHeaders: ['cookie', 'authorization'] } },
    ]);
    expect(await ask('POST', 'Cookie: any=1', EVIL)).toBe(403);
    expect(await ask('POST', 'Authorization: Basic YTpi', EVIL)).toBe(403);
    expect([service.requests.length, target.requests.length]).toEqual([0, 0]);
    expect(await ask('POST', 'Authorization: Bearer x', EVIL)).toBe(200);
    expect(await ask('POST', EVIL)).toBe(200);
  });

  test('is refused with a password that its browser keeps', async () => {
    const password =
      '$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
    const basic = { basic: { users: { ada: { password } } } };
    const { ask } = await setUp([basic]);
    expect(await ask('POST', 'Authorization: Basic YWRhOng=', EVIL)).toBe(403);
    const named = await setUp([{ cors: { origins: ['https://evil.example'] } }, basic]);
    expect(await named.ask('POST', 'Authorization: Basic YWRhOng=', EVIL)).toBe(401);
  });

  test('is refused by a way in of your own that says so', async () => {
    const file = `${import.meta.dirname}/fixtures/session-cookie.ts`;
    const target = await startTarget();
    const gateway = await startGateway({
      customPolicies: { 'acme/session': file },
      upstreams: { service: { targets: [target.url] } },
      routes: [{ id: 'all', path: '/*', upstream: 'service', policies: ['acme/session'] }],
    } as object);
    const ask = (origin: string) =>
      gateway.gateway.inject({
        method: 'POST',
        url: 'http://api.example.com/',
        headers: { cookie: 'session=ada', origin },
      });
    expect((await ask('https://evil.example')).status).toBe(403);
    expect((await ask('http://api.example.com')).status).toBe(200);
    expect((await ask('https://app.example.org')).status).toBe(200);
  });
});
