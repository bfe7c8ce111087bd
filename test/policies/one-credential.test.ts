import { describe, expect, test } from 'vitest';
import { createSecretSigner, goodClaims, signToken } from '../auth/test-tokens.ts';
import { rawRequest, startGateway, startTarget, type TestTarget } from '../support/harness.ts';
import { readResponses } from '../support/raw-responses.ts';

const SECRET = 'a secret of the gateway and its issuer, 42';
const TOKEN = signToken(createSecretSigner(SECRET), goodClaims());
const BASIC = `Basic ${Buffer.from('ada:secret').toString('base64')}`;
const HASH = '$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

/** A gateway with these policies on every path, and what a request with some lines is answered. */
async function setUp(policies: (service: TestTarget) => readonly unknown[]) {
  const service = await startTarget((_, response) => void response.writeHead(204).end());
  const target = await startTarget();
  const gateway = await startGateway({
    authServices: { main: { secret: SECRET, algorithms: ['HS256'], audience: 'any' } },
    upstreams: { service: { targets: [target.url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    policies: policies(service),
  } as object);
  const ask = async (...lines: readonly string[]): Promise<number | undefined> => {
    const head = ['GET / HTTP/1.1', 'Host: api.example.com', ...lines, 'Connection: close'].join('\r\n');
    return readResponses(await rawRequest(gateway.port, `${head}\r\n\r\n`))[0]?.status;
  };
  return { service, target, ask };
}

const forwardAuth =
  (options: object = {}) =>
  ({ url }: TestTarget) => [
    {
      'forward-auth': {
        url,
        requestHeaders: ['authorization', 'cookie', 'x-api-key', 'accept-language'],
        ...options,
      },
    },
  ];

describe('two fields with a credential', () => {
  test.each<[string, readonly string[]]>([
    ['two of Authorization', ['Authorization: Bearer a', 'Authorization: Bearer b']],
    ['two of Authorization, alike', ['Authorization: Bearer a', 'authorization: Bearer a']],
    ['two of Authorization, one of them empty', ['Authorization:', 'Authorization: Bearer b']],
    ['two of Cookie', ['Cookie: sid=a', 'Cookie: sid=b']],
    ['two of Cookie, of other names', ['Cookie: a=1', 'Cookie: b=1']],
    ['two of another field that the service judges by', ['X-Api-Key: a', 'X-Api-Key: b']],
    ['two bearer tokens in one field', ['Authorization: Bearer a, Bearer b']],
    ['two schemes in one field', ['Authorization: Digest username="a", Basic YTpi']],
    ['two schemes in one field, without space', ['Authorization: Custom a,Bearer b']],
    ['a comma in front', ['Authorization: , Bearer b']],
    ['a comma behind', ['Authorization: Bearer b,']],
    ['a quotation that hides the second', ['Authorization: Digest a="x, Bearer b']],
  ])('are refused before the service is asked: %s', async (_, lines) => {
    const { service, target, ask } = await setUp(forwardAuth());
    expect(await ask(...lines)).toBe(400);
    expect([service.requests.length, target.requests.length]).toEqual([0, 0]);
  });

  test.each<[string, readonly string[]]>([
    ['parameters of one scheme', ['Authorization: Digest username="a, Bearer b", realm = "x", nc=1']],
    [
      'a signature of AWS',
      ['Authorization: AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c'],
    ],
    ['a comma within a cookie', ['Cookie: prefs={"a":1,"b":2}; sid=1']],
    ['a field that is a list', ['Accept-Language: de', 'Accept-Language: en']],
    ['a field that nobody judges by', ['X-Note: a', 'X-Note: b']],
  ])('are not what stands there once: %s', async (_, lines) => {
    const { service, target, ask } = await setUp(forwardAuth());
    expect(await ask(...lines)).toBe(200);
    expect([service.requests.length, target.requests.length]).toEqual([1, 1]);
  });

  test('are not made of what services read as the same name', async () => {
    const { service, target, ask } = await setUp(forwardAuth());
    expect(await ask('X-Api-Key: good', 'X_Api_Key: evil')).toBe(200);
    expect(service.requests[0]?.headers['x-api-key']).toBe('good');
    expect(target.requests[0]?.headers).not.toHaveProperty('x_api_key');
    expect(target.requests[0]?.headers['x-api-key']).toBe('good');
  });

  test.each<[string, unknown]>([
    ['jwt', 'jwt'],
    ['jwt in a cookie', { jwt: { from: { cookie: 'sid' } } }],
    ['api-key', 'api-key'],
    ['basic', { basic: { users: { ada: { password: HASH } } } }],
    ['signature', { signature: { keys: { partner: { secret: SECRET } } } }],
    ['any', { any: ['api-key', { jwt: { from: { header: 'x-token' } } }] }],
    ['jwt, nobody is asked for', { jwt: { optional: true } }],
    ['api-key, nobody is asked for', { 'api-key': { optional: true } }],
  ])('are refused by every way in: %s', async (_, policy) => {
    const { target, ask } = await setUp(() => [policy]);
    const asked = [
      await ask(`Authorization: Bearer ${TOKEN}`, `Authorization: ${BASIC}`),
      await ask(`Authorization: ${BASIC}, Bearer ${TOKEN}`),
      await ask(`Authorization: Bearer ${TOKEN}`, `Cookie: sid=${TOKEN}`, 'Cookie: a=b'),
    ];
    expect(asked).toEqual([401, 401, 401]);
    expect(target.requests).toHaveLength(0);
  });

  test('are refused where one cookie hides behind a comma of another', async () => {
    const { target, ask } = await setUp(() => [{ jwt: { from: { cookie: 'sid' }, optional: true } }]);
    expect(await ask(`Cookie: a=1, sid=${TOKEN}`)).toBe(401);
    expect(await ask(`Cookie: sid=${TOKEN}, sid=x`)).toBe(401);
    expect(await ask(`Cookie: sid=${TOKEN}; a=1`)).toBe(200);
    expect(target.requests.map(({ headers }) => headers.cookie)).toEqual(['a=1']);
  });
});
