import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { bodyFrom } from '../../src/core/body.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { Exchange } from '../../src/core/exchange.ts';
import { type InnerList, parseDictionary } from '../../src/core/fields/structured-fields.ts';
import { signature } from '../../src/policies/signature/signature.ts';
import { signatureBase } from '../../src/policies/signature/signature-base.ts';
import { isSignature, readSignatureKey } from '../../src/policies/signature/signature-key.ts';
import { MemoryOnceStore } from '../../src/stores/memory-once-store.ts';
import { problemsOf, stubExchange } from '../core/stub-exchange.ts';
import { rawRequest, startGatewayTo, startTarget } from '../support/harness.ts';
import { readResponses } from '../support/raw-responses.ts';
import { CREATED, KEYS, REQUEST, VECTORS, type Vector } from './fixtures/rfc9421.ts';
import { contentDigest, SECRET, type Signing, signRequest } from './sign-request.ts';

function exchangeOf(request: Partial<typeof REQUEST> = {}): Exchange {
  const { method, target, authority, headers, body } = { ...REQUEST, ...request };
  const exchange = stubExchange({ method, headers, body: bodyFrom(body) });
  Object.assign(exchange.request, { target, authority });
  exchange.publicAuthority = authority;
  exchange.scheme = 'https';
  return exchange;
}

const listOf = (input: string): InnerList => parseDictionary(`sig=${input}`)?.get('sig') as InnerList;

describe('the vectors of RFC 9421', () => {
  const verify = (
    { keyId, input, request, signature: due }: Vector,
    change: Partial<typeof REQUEST> = {},
  ) => {
    const key = readSignatureKey(KEYS[keyId]);
    if (typeof key === 'string') throw new Error(key);
    const base = signatureBase(listOf(input), exchangeOf({ ...request, ...change }));
    return { base, isGood: base !== undefined && isSignature(base, Buffer.from(due, 'base64'), key) };
  };

  test.each(VECTORS.map((vector) => [vector.section, vector] as const))('%s', (_, vector) => {
    const { base, isGood } = verify(vector);
    expect(base?.split('\n')).toEqual([...vector.base, `"@signature-params": ${vector.input}`]);
    expect(isGood).toBe(true);
  });

  test.each(VECTORS.slice(1).map((vector) => [vector.section, vector] as const))(
    '%s is not that of another request',
    (_, vector) => {
      const headers = REQUEST.headers.map(([name, value]) => [name, `${value} `] as const);
      expect(verify(vector, { headers: headers.slice(1, 3), authority: 'evil.example' }).isGood).toBe(false);
    },
  );
});

describe('what a signature covers', () => {
  test.each([
    ['"@method"', 'POST'],
    ['"@target-uri"', 'https://example.com/foo?param=Value&Pet=dog'],
    ['"@scheme"', 'https'],
    ['"@request-target"', '/foo?param=Value&Pet=dog'],
    ['"@query-param";name="param"', 'Value'],
    ['"content-type"', 'application/json'],
  ])('%s is %s', (component, value) => {
    expect(signatureBase(listOf(`(${component})`), exchangeOf())).toContain(`${component}: ${value}\n`);
  });

  test.each([
    [{ target: '/foo' }, '"@query"', '?'],
    [{ target: '/foo?' }, '"@query"', '?'],
    [{ target: '/%7efoo/../x' }, '"@path"', '/%7efoo/../x'],
    [{ target: '*' }, '"@path"', '/'],
    [{ target: 'http://example.com' }, '"@path"', '/'],
    [{ target: 'http://example.com/a?b' }, '"@path"', '/a'],
    [{ authority: 'EXAMPLE.com:443' }, '"@authority"', 'example.com'],
    [{ authority: 'example.com:8443' }, '"@authority"', 'example.com:8443'],
    [{ target: '/?a+b=c+d%21' }, '"@query-param";name="a%20b"', 'c%20d%21'],
    [
      {
        headers: [
          ['X-A', ' 1 '],
          ['x-a', '2'],
        ] as const,
      },
      '"x-a"',
      '1, 2',
    ],
  ])('of %j: %s is %s', (request, component, value) => {
    expect(signatureBase(listOf(`(${component})`), exchangeOf(request))).toContain(
      `${component}: ${value}\n`,
    );
  });

  test.each([
    ['"@method" "@method"'],
    ['"@status"'],
    ['"@signature-params"'],
    ['"@unknown"'],
    ['"x-not-there"'],
    ['"Content-Type"'],
    ['"content-type";sf'],
    ['"content-digest";key="sha-512"'],
    ['"content-type";req'],
    ['"content-type";bs'],
    ['"@query-param"'],
    ['"@query-param";name="none"'],
    ['"@query-param";name="twice"'],
    ['"@method";req'],
    ['method'],
    [':aaaa:'],
  ])('is nothing where it says (%s)', (components) => {
    const exchange = exchangeOf({ target: '/foo?twice=1&twice=1' });
    expect(signatureBase(listOf(`(${components})`), exchange)).toBeUndefined();
  });
});

async function setUp(options: object = {}) {
  const target = await startTarget();
  const keys = { partner: { secret: SECRET, roles: ['partner'] } };
  const gateway = await startGatewayTo(target, { policies: [{ signature: { keys, ...options } }] } as object);
  const send = (headers: Record<string, string>, { method = 'GET', url, body }: Signing) =>
    gateway.gateway.inject({ method, url, headers, ...(body === undefined ? {} : { body }) });
  const ask = (signing: Signing) => send(signRequest(signing), signing);
  const reasonOf = async () => {
    const { text } = await gateway.gateway.metrics();
    return /gateway_authentication_failures_total\{policy="signature",reason="(\w+)"\} 1/.exec(text)?.[1];
  };
  return { target, gateway, send, ask, reasonOf };
}

const GET: Signing = { url: 'http://api.example.com/orders/1?x=1' };
const POST: Signing = { method: 'POST', url: 'http://api.example.com/orders', body: '{"a":1}' };

describe('the bytes of a field', () => {
  const components = ['@method', '@authority', '@path', '@query', 'x-note'];
  const url = 'http://api.example.com/orders/1?x=1';
  const bytesOf = (text: string): string => Buffer.from(text).toString('latin1');
  const askWith = async (signed: string, sent: string) => {
    const { gateway } = await setUp();
    const { 'x-note': _, ...fields } = signRequest({ url, components, headers: { 'x-note': signed } });
    const lines = Object.entries({ ...fields, 'x-note': sent }).map(([name, value]) => `${name}: ${value}`);
    const head = ['GET /orders/1?x=1 HTTP/1.1', 'Host: api.example.com', ...lines, 'Connection: close'];
    return readResponses(await rawRequest(gateway.port, `${head.join('\r\n')}\r\n\r\n`))[0]?.status;
  };

  test.each([
    ['text that ends in A0', 'cafà', bytesOf('cafà')],
    ['text that begins in A0 behind another byte', 'àx', bytesOf('àx')],
    ['space and tab around', 'a b', ' \t a b \t '],
  ])('are signed as they are: %s', async (_, signed, sent) => expect(await askWith(signed, sent)).toBe(200));

  test.each([
    ['A0 behind', 'caf', 'caf\xa0'],
    ['A0 before', 'caf', '\xa0caf'],
    ['the bytes of U+FEFF behind', 'caf', bytesOf('caf\ufeff')],
    ['85 behind', 'caf', 'caf\x85'],
    ['a byte less', 'cafà', 'caf\xc3'],
  ])('are not signed with more or fewer of them: %s', async (_, signed, sent) =>
    expect(await askWith(signed, sent)).toBe(401),
  );
});

describe('signature', () => {
  test('lets a signed request pass, and keeps the signature from the upstream', async () => {
    const { target, ask } = await setUp();
    expect((await ask(GET)).status).toBe(200);
    const answer = await ask(POST);
    expect(JSON.parse(answer.body.toString()).body).toBe('{"a":1}');
    for (const { headers } of target.requests) {
      expect(headers.signature).toBeUndefined();
      expect(headers['signature-input']).toBeUndefined();
    }
    expect(target.requests[1]?.headers['content-digest']).toBe(contentDigest('{"a":1}'));
  });

  test('takes a key pair, and @target-uri in place of its parts', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const pem = publicKey.export({ type: 'spki', format: 'pem' });
    const { ask } = await setUp({ keys: { partner: { publicKey: pem } } });
    expect((await ask({ ...GET, privateKey, components: ['@method', '@target-uri'] })).status).toBe(200);
  });

  test('asks for one, in a way of its own', async () => {
    const { gateway } = await setUp({ realm: 'orders' });
    const answer = await gateway.gateway.inject({ url: '/' });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Signature realm="orders"');
  });

  const seconds = (): number => Math.floor(Date.now() / 1000);

  test.each<[string, Partial<Signing>, string]>([
    ['another secret', { secret: 'another secret of 32 characters!!' }, 'signature'],
    ['an unknown key', { keyId: 'other' }, 'key'],
    ['an inherited key', { keyId: '__proto__' }, 'key'],
    ['a signature without the query', { components: ['@method', '@authority', '@path'] }, 'coverage'],
    ['a signature without the method', { components: ['@target-uri'] }, 'coverage'],
    ['a signature of nothing', { components: [] }, 'coverage'],
    ['another algorithm', { more: ';alg="ed25519"' }, 'algorithm'],
    ['an algorithm that is none', { more: ';alg=hmac-sha256' }, 'algorithm'],
    ['an old signature', { created: seconds() - 400 }, 'expired'],
    ['one of the future', { created: seconds() + 3600 }, 'future'],
    ['one that ended', { more: `;expires=${seconds() - 60}` }, 'expired'],
    ['times that are none', { more: ';expires="never"' }, 'malformed'],
  ])('refuses %s', async (_, change, reason) => {
    const { target, ask, reasonOf } = await setUp();
    const answer = await ask({ ...GET, ...change });
    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.body.toString()).code).toBe('GW_CREDENTIALS_INVALID');
    expect(await reasonOf()).toBe(reason);
    expect(target.requests).toHaveLength(0);
  });

  test('takes the algorithm that the key is for, where it is named', async () => {
    const { ask } = await setUp();
    expect((await ask({ ...GET, more: ';alg="hmac-sha256"' })).status).toBe(200);
    expect((await ask({ ...GET, more: `;expires=${seconds() + 60}` })).status).toBe(200);
  });

  test.each<[string, Signing]>([
    ['another path', { ...GET, url: 'http://api.example.com/orders/2?x=1' }],
    ['another spelling of the path', { ...GET, url: 'http://api.example.com/orders/%31?x=1' }],
    ['another query', { ...GET, url: 'http://api.example.com/orders/1?x=1&x=2' }],
    ['another host', { ...GET, url: 'http://api.example.org/orders/1?x=1' }],
    ['another method', { ...GET, method: 'DELETE' }],
  ])('refuses a signature moved to %s', async (_, to) => {
    const { target, send, reasonOf } = await setUp();
    expect((await send(signRequest(GET), to)).status).toBe(401);
    expect(await reasonOf()).toBe('signature');
    expect(target.requests).toHaveLength(0);
  });

  test.each<[string, Record<string, string | undefined>]>([
    ['without its input', { 'signature-input': undefined }],
    ['without the signature', { signature: undefined }],
    ['with another label', { signature: 'sig2=:aaaa:' }],
    ['that is not bytes', { signature: 'sig1="aaaa"' }],
    ['whose label stands twice', { signature: 'sig1=:aaaa:, sig1=:aaaa:' }],
    ['with an input that is not a list', { 'signature-input': 'sig1=?1' }],
    ['that is empty', { signature: '' }],
  ])('refuses a signature %s', async (_, change) => {
    const { send, reasonOf } = await setUp({ optional: true });
    const changed = Object.entries({ ...signRequest(GET), ...change }).filter(
      ([, value]) => value !== undefined,
    );
    expect((await send(Object.fromEntries(changed) as Record<string, string>, GET)).status).toBe(401);
    expect(await reasonOf()).toBe('malformed');
  });

  test('lets requests without any pass where it is optional', async () => {
    const { send } = await setUp({ optional: true });
    expect((await send({}, GET)).status).toBe(200);
  });
});

describe('the body', () => {
  test.each<[string, Record<string, string>, string | undefined, string]>([
    ['another body', {}, '{"a":2}', 'digest'],
    ['no body', {}, undefined, 'digest'],
    ['a digest that is none', { 'content-digest': 'sha-256=1' }, '{"a":1}', 'digest'],
    ['a digest of a broken algorithm alone', { 'content-digest': 'md5=:aaaa:' }, '{"a":1}', 'digest'],
    [
      'two digests of which one is wrong',
      { 'content-digest': `${contentDigest('{"a":1}')}, sha-512=:aaaa:` },
      '{"a":1}',
      'digest',
    ],
  ])('is refused where it is %s', async (_, headers, body, reason) => {
    const { target, send, reasonOf } = await setUp();
    const digest = headers['content-digest'];
    const components = ['@method', '@authority', '@path', '@query', 'content-digest'];
    const signed =
      digest === undefined
        ? signRequest(POST)
        : signRequest({ method: 'POST', url: POST.url, headers: { 'content-digest': digest }, components });
    expect((await send(signed, { ...POST, ...(body === undefined ? { body: '' } : { body }) })).status).toBe(
      401,
    );
    expect(await reasonOf()).toBe(reason);
    expect(target.requests).toHaveLength(0);
  });

  test('must be covered where there is one', async () => {
    const { ask, reasonOf } = await setUp();
    const components = ['@method', '@authority', '@path', '@query'];
    expect((await ask({ ...POST, components })).status).toBe(401);
    expect(await reasonOf()).toBe('coverage');
  });

  test('is bounded', async () => {
    const { ask, target } = await setUp({ maxBody: '1KiB' });
    expect((await ask({ ...POST, body: 'x'.repeat(1024) })).status).toBe(200);
    expect((await ask({ ...POST, body: 'x'.repeat(1025) })).status).toBe(413);
    expect(target.requests).toHaveLength(1);
  });

  test('is not read before the signature is good', async () => {
    const { gateway, target } = await setUp();
    let reads = 0;
    const body = (async function* () {
      reads++;
      yield Buffer.from('x');
    })();
    const headers = { ...signRequest({ ...POST, secret: 'another secret of 32 characters!!' }) };
    const answer = await gateway.gateway.inject({ method: 'POST', url: POST.url, headers, body });
    expect(answer.status).toBe(401);
    expect(reads).toBe(0);
    expect(target.requests).toHaveLength(0);
  });
});

describe('replay', () => {
  test('is refused: a signature is good once', async () => {
    const { target, send, reasonOf } = await setUp();
    const signed = signRequest(GET);
    expect((await send(signed, GET)).status).toBe(200);
    expect((await send(signed, GET)).status).toBe(401);
    expect(await reasonOf()).toBe('replay');
    expect(target.requests).toHaveLength(1);
  });

  test('is refused of two at once', async () => {
    const { target, send } = await setUp();
    const signed = signRequest(POST);
    const answers = await Promise.all([1, 2, 3].map(() => send(signed, POST)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401]);
    expect(target.requests).toHaveLength(1);
  });

  test('is refused across a reload', async () => {
    const { gateway, send } = await setUp();
    const signed = signRequest(GET);
    expect((await send(signed, GET)).status).toBe(200);
    expect(await gateway.gateway.reload()).toMatchObject({ ok: true });
    expect((await send(signed, GET)).status).toBe(401);
  });

  test('is told by the nonce where there is one, whoever else uses the same', async () => {
    const keys = { partner: { secret: SECRET }, other: { secret: SECRET } };
    const { ask } = await setUp({ keys, requireNonce: true });
    const created = Math.floor(Date.now() / 1000);
    const statuses = [];
    for (const [keyId, nonce] of [
      ['partner', 'a'],
      ['partner', 'b'],
      ['other', 'a'],
      ['partner', 'a'],
    ] as const)
      statuses.push(
        (await ask({ ...GET, keyId, created: created - statuses.length, more: `;nonce="${nonce}"` })).status,
      );
    expect(statuses).toEqual([200, 200, 200, 401]);
    expect((await ask(GET)).status).toBe(401);
  });
});

test('a signature of somebody else beside ours says nothing', async () => {
  const { send } = await setUp({ tag: 'us' });
  const ours = signRequest({ ...GET, more: ';tag="us"' });
  const theirs = signRequest({ ...GET, more: ';tag="them"' });
  const rename = (text: string | undefined) => text?.replace('sig1', 'sig2') ?? '';
  const both = {
    'signature-input': `${rename(theirs['signature-input'])}, ${ours['signature-input']}`,
    signature: `${rename(theirs.signature)}, ${ours.signature}`,
  };
  expect((await send(both, GET)).status).toBe(200);
  expect((await send(theirs, GET)).status).toBe(401);
});

const pemOf = (type: string, options: object = {}): string =>
  String(
    (generateKeyPairSync as (type: string, options: object) => { publicKey: { export(o: object): string } })(
      type,
      options,
    ).publicKey.export({ type: 'spki', format: 'pem' }),
  );

test.each([
  [{}, 'has not exactly one key'],
  [{ secret: SECRET, publicKey: 'x' }, 'has not exactly one key'],
  [{ secret: 'short' }, 'fewer than 32 bytes'],
  [{ base64Secret: Buffer.alloc(31).toString('base64') }, 'fewer than 32 bytes'],
  [{ base64Secret: 'not base64!' }, 'is not base64'],
  [{ secret: SECRET, algorithm: 'ed25519' }, 'is not for ed25519'],
  [{ publicKey: 'x' }, 'holds no readable public key'],
  [{ publicKey: '-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----' }, 'holds a private key'],
  [{ publicKey: pemOf('ed25519'), algorithm: 'hmac-sha256' }, 'is not for hmac-sha256'],
  [
    { publicKey: pemOf('ec', { namedCurve: 'P-256' }), algorithm: 'ecdsa-p384-sha384' },
    'is not for ecdsa-p384',
  ],
  [{ publicKey: pemOf('ec', { namedCurve: 'secp256k1' }) }, 'is of a kind that is not known here'],
  [{ publicKey: pemOf('rsa', { modulusLength: 1024 }) }, 'is of a kind that is not known here'],
])('the key %j is refused', (key, problem) => {
  const problems = problemsOf(signature, { keys: { partner: key } }).join();
  expect(problems).toContain(problem);
  expect(problems).not.toContain(SECRET);
});

test.each([
  ['64 components more', Array.from({ length: 64 }, (_, i) => `"x-${i}"`).join(' ')],
  ['a query of 257 parameters', '"@query-param";name="p1"'],
])('does not work through %s before anything is verified', async (_, more) => {
  const { gateway, reasonOf } = await setUp();
  const query = Array.from({ length: 257 }, (__, i) => `p${i}=1`).join('&');
  const input = `sig1=("@method" "@authority" "@path" "@query" ${more});created=${Math.floor(Date.now() / 1000)};keyid="partner"`;
  const headers = { 'signature-input': input, signature: 'sig1=:aaaa:' };
  expect((await gateway.gateway.inject({ url: `http://api.example.com/?${query}`, headers })).status).toBe(
    401,
  );
  expect(await reasonOf()).toMatch(/^(?:malformed|component)$/);
});

test('what must be covered is something that can be', () => {
  const keys = { partner: { secret: SECRET } };
  for (const components of [[], ['@status'], ['Date'], ['@query-param']])
    expect(problemsOf(signature, { keys, components })).not.toEqual([]);
});

test('the vectors pass the policy as a whole, at their time', async () => {
  const clock = {
    now: () => CREATED * 1000,
    monotonic: () => 0,
    every: () => () => {},
    after: () => () => {},
  };
  const services = { clock, once: new MemoryOnceStore(clock), bufferBody: () => undefined };
  for (const vector of VECTORS) {
    const options = { keys: KEYS, components: ['content-type'] };
    const made = await signature.createIdentifier?.(signature.options.parse(options), services as never);
    const exchange = exchangeOf({
      ...vector.request,
      headers: [
        ...(vector.request?.headers ?? REQUEST.headers),
        ['Signature-Input', `sig=${vector.input}`],
        ['Signature', `sig=:${vector.signature}:`],
      ],
    });
    exchange.bodyBytes = Buffer.from(REQUEST.body);
    const outcome = await made?.identify(exchange);
    // Only B.2.3 covers both what is asked for here and the body.
    if (vector.section.startsWith('B.2.3')) expect(outcome).toMatchObject({ keyId: vector.keyId });
    else expect(outcome).toBeInstanceOf(GatewayError);
  }
});
