import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, startTarget, type TestGateway, type TestTarget } from '../support/harness.ts';
import { RawClient } from '../support/raw-client.ts';
import { hasResponses, type RawResponse, readOnly } from '../support/raw-responses.ts';
import { until } from '../support/until.ts';
import {
  AUDIENCE,
  base64url,
  createSecretSigner,
  createSigner,
  goodClaims,
  ISSUER,
  signToken,
} from './test-tokens.ts';

const rsa = createSigner('RS256', 'rsa-1');
const ec = createSigner('ES256', 'ec-1');
const ed = createSigner('EdDSA', 'ed-1');
const secret = 'a secret of the gateway and its issuer, 42';
const hmac = createSecretSigner(secret);
const other = createSigner('RS256', 'other-1');
const attacker = createSigner('RS256', 'rsa-1');
const weak = createSigner('RS256', 'weak-1', 1024);
const OTHER_ISSUER = 'https://other.example.com';

let target: TestTarget;
let gateway: TestGateway;

const keySet = JSON.stringify({
  keys: [
    rsa.jwk,
    ec.jwk,
    ed.jwk,
    { kty: 'oct', kid: 'oct-1', k: base64url(secret) },
    { kty: 'oct', kid: 'empty-1', k: '' },
    weak.jwk,
    { ...other.jwk, kid: 'enc-1', use: 'enc' },
  ],
});

beforeAll(async () => {
  target = await startTarget((_, response) => response.end('reached'));
  const route = (name: string, jwt: object) => ({
    id: name,
    path: `/${name}`,
    upstream: 'service',
    policies: [{ jwt }],
  });
  gateway = await startGateway(
    {
      authServices: {
        keys: { jwksFile: './keys.json', issuer: ISSUER, audience: AUDIENCE },
        pem: { publicKey: rsa.pem, issuer: ISSUER, audience: AUDIENCE, algorithms: ['RS256'] },
        secret: { secret, issuer: ISSUER, audience: AUDIENCE },
        other: { publicKey: other.jwk, issuer: OTHER_ISSUER, audience: AUDIENCE },
        access: { jwksFile: './keys.json', issuer: ISSUER, audience: AUDIENCE, typ: 'at+jwt' },
      },
      upstreams: { service: { targets: [target.url] } },
      routes: [
        route('keys', { service: 'keys' }),
        route('pem', { service: 'pem' }),
        route('secret', { service: 'secret' }),
        route('two', { services: ['keys', 'other'] }),
        route('access', { service: 'access' }),
        route('places', { service: 'keys', from: { header: 'authorization', cookie: 'session' } }),
        route('own', { service: 'keys', from: { header: 'x-token' } }),
        route('optional', { service: 'keys', optional: true }),
      ],
    },
    { files: { 'keys.json': keySet } },
  );
});

afterAll(async () => {
  await gateway.close();
  await target.close();
});

/** Sends a request with these header lines, as they are. */
async function send(path: string, lines: readonly string[]): Promise<RawResponse> {
  const client = await RawClient.connect(gateway.port);
  client.write([`GET ${path} HTTP/1.1`, 'Host: api.example.com', ...lines, '', ''].join('\r\n'));
  return readOnly(await client.until(hasResponses(1)));
}

const bearer = (token: string): string[] => [`Authorization: Bearer ${token}`];
const good = signToken(rsa);
const seconds = (later: number) => Math.floor(Date.now() / 1000) + later;
const [head = '', body = '', signature = ''] = good.split('.');

describe('a good token', () => {
  it.each([
    ['RS256, by key id', '/keys', bearer(good)],
    ['ES256', '/keys', bearer(signToken(ec))],
    ['EdDSA', '/keys', bearer(signToken(ed))],
    ['HS256', '/secret', bearer(signToken(hmac))],
    ['PEM, any key id', '/pem', bearer(signToken(rsa, goodClaims(), { kid: 'whatever' }))],
    ['without key id', '/keys', bearer(signToken(rsa, goodClaims(), { kid: undefined }))],
    ['one of several issuers', '/two', bearer(signToken(other, goodClaims({ iss: OTHER_ISSUER })))],
    ['the other of several issuers', '/two', bearer(good)],
    ['one audience of a list', '/keys', bearer(signToken(rsa, goodClaims({ aud: ['a', AUDIENCE] })))],
    [
      'at+jwt where that is due',
      '/access',
      bearer(signToken(rsa, goodClaims(), { typ: 'application/AT+JWT' })),
    ],
    ['the scheme in lower case', '/keys', [`authorization: bearer ${good}`]],
    ['in a cookie', '/places', [`Cookie: a=b; session=${good}`]],
    ['in a header of its own', '/own', [`X-Token: ${good}`]],
    [
      'keys that it brings along are not looked at',
      '/keys',
      bearer(signToken(rsa, goodClaims(), { jku: 'http://127.0.0.1:1/' })),
    ],
  ])('passes: %s', async (_, path, lines) => {
    expect(await send(path, lines)).toMatchObject({ status: 200, body: 'reached' });
  });

  it('passes: clocks that differ a little', async () => {
    // Made now, since it is over soon.
    const token = signToken(rsa, goodClaims({ exp: seconds(-5), nbf: seconds(25) }));
    expect(await send('/keys', bearer(token))).toMatchObject({ status: 200, body: 'reached' });
  });
});

const zeros = Buffer.alloc(64);
const unsigned = (header: object, claims: object = goodClaims()) =>
  `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}.`;
const withSignature = (token: string, bytes: Buffer) =>
  `${token.slice(0, token.lastIndexOf('.'))}.${base64url(bytes)}`;
const asText = (claims: object, extra: string) => `${JSON.stringify(claims).slice(0, -1)},${extra}}`;
const pemSecret = createSecretSigner(rsa.pem, 'HS256', 'rsa-1');

/** Lines of a request, and the word by which the log says why it is refused: each for its own reason. */
type Attack = readonly [name: string, reason: string, path: string, lines: string[]];

/** What is wrong with the request, not with a token (RFC 6750 §3.1). */
const OF_THE_REQUEST: ReadonlySet<string> = new Set(['unreadable', 'twice']);

const ATTACKS: Attack[] = [
  // Algorithms
  ['alg none, unsigned', 'malformed', '/keys', bearer(unsigned({ alg: 'none' }))],
  [
    'alg none, unsigned, with a cut-off point',
    'malformed',
    '/keys',
    bearer(unsigned({ alg: 'none' }).slice(0, -1)),
  ],
  ['alg none with a signature', 'algorithm', '/keys', bearer(signToken(rsa, goodClaims(), { alg: 'none' }))],
  ['alg None', 'algorithm', '/keys', bearer(signToken(rsa, goodClaims(), { alg: 'None' }))],
  ['alg nOnE for a secret', 'algorithm', '/secret', bearer(signToken(hmac, goodClaims(), { alg: 'nOnE' }))],
  ['no alg', 'algorithm', '/keys', bearer(signToken(rsa, goodClaims(), { alg: undefined }))],
  ['alg as a list', 'algorithm', '/keys', bearer(signToken(rsa, goodClaims(), { alg: ['RS256'] }))],
  ['RS256 to HS256 with the PEM as secret', 'algorithm', '/pem', bearer(signToken(pemSecret))],
  [
    'RS256 to HS256 with the PEM, trimmed',
    'algorithm',
    '/pem',
    bearer(signToken(createSecretSigner(rsa.pem.trim()))),
  ],
  [
    'RS256 to HS256 with the JWK as secret',
    'key',
    '/keys',
    bearer(signToken(createSecretSigner(JSON.stringify(rsa.jwk), 'HS256', 'rsa-1'))),
  ],
  [
    'RS256 to HS256 with the modulus as secret',
    'key',
    '/keys',
    bearer(signToken(createSecretSigner(Buffer.from(String(rsa.jwk.n), 'base64url'), 'HS256', 'rsa-1'))),
  ],
  [
    'a secret out of a key set',
    'key',
    '/keys',
    bearer(signToken(createSecretSigner(secret, 'HS256', 'oct-1'))),
  ],
  ['a public key where a secret is due', 'algorithm', '/secret', bearer(signToken(rsa))],
  [
    'an algorithm of the same key that is not among algorithms',
    'algorithm',
    '/pem',
    bearer(signToken(rsa.as('RS512'))),
  ],
  ['ES256 named, signed with RSA', 'key', '/keys', bearer(signToken(rsa, goodClaims(), { alg: 'ES256' }))],
  [
    'HS512 where HS256 is meant',
    'algorithm',
    '/secret',
    bearer(signToken(createSecretSigner(secret, 'HS512'))),
  ],
  // Keys that the token brings along
  [
    'jwk in the header',
    'signature',
    '/keys',
    bearer(signToken(attacker, goodClaims(), { jwk: attacker.jwk })),
  ],
  [
    'jwk in the header, no key id',
    'signature',
    '/keys',
    bearer(signToken(attacker, goodClaims(), { kid: undefined, jwk: attacker.jwk })),
  ],
  [
    'jku in the header',
    'signature',
    '/keys',
    bearer(signToken(attacker, goodClaims(), { jku: 'https://evil.example/jwks.json' })),
  ],
  [
    'x5u in the header',
    'signature',
    '/keys',
    bearer(signToken(attacker, goodClaims(), { x5u: 'https://evil.example/cert.pem' })),
  ],
  [
    'x5c in the header',
    'signature',
    '/keys',
    bearer(signToken(attacker, goodClaims(), { x5c: [attacker.pem.replace(/-----.*-----|\n/g, '')] })),
  ],
  // Key ids
  [
    'key id of a path',
    'key',
    '/keys',
    bearer(signToken(attacker, goodClaims(), { kid: '../../../../dev/null' })),
  ],
  [
    'key id of an SQL injection',
    'key',
    '/keys',
    bearer(signToken(attacker, goodClaims(), { kid: "x' UNION SELECT 'key" })),
  ],
  ['key id of a command', 'key', '/keys', bearer(signToken(attacker, goodClaims(), { kid: '| sleep 5' }))],
  ['key id __proto__', 'key', '/keys', bearer(signToken(attacker, goodClaims(), { kid: '__proto__' }))],
  ['key id as a number', 'key-id', '/keys', bearer(signToken(rsa, goodClaims(), { kid: 1 }))],
  ['key id as a map', 'key-id', '/keys', bearer(signToken(rsa, goodClaims(), { kid: { $ne: '' } }))],
  ['key id without end', 'key-id', '/keys', bearer(signToken(rsa, goodClaims(), { kid: 'k'.repeat(300) }))],
  ['key id of another key', 'key', '/keys', bearer(signToken(rsa, goodClaims(), { kid: 'ec-1' }))],
  // Weak keys
  ['an empty secret', 'signature', '/secret', bearer(signToken(createSecretSigner('')))],
  [
    'an empty secret, by key id',
    'key',
    '/keys',
    bearer(signToken(createSecretSigner('', 'HS256', 'empty-1'))),
  ],
  [
    '/dev/null as secret',
    'key',
    '/keys',
    bearer(signToken(createSecretSigner(Buffer.alloc(0)), goodClaims(), { kid: '/dev/null' })),
  ],
  ['a short secret', 'signature', '/secret', bearer(signToken(createSecretSigner('secret')))],
  ['an RSA key of 1024 bits', 'key', '/keys', bearer(signToken(weak))],
  ['a key for encryption', 'key', '/keys', bearer(signToken({ ...other, keyId: 'enc-1' }))],
  // Signatures
  ['ES256 with r = s = 0', 'signature', '/keys', bearer(withSignature(signToken(ec), zeros))],
  [
    'ES256 with r = s = 0, in DER',
    'signature',
    '/keys',
    bearer(withSignature(signToken(ec), Buffer.from('3006020100020100', 'hex'))),
  ],
  ['an empty signature', 'malformed', '/keys', bearer(`${head}.${body}.`)],
  [
    'a changed signature',
    'signature',
    '/keys',
    bearer(`${head}.${body}.${signature.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))}`),
  ],
  ['a signature cut off within a byte', 'malformed', '/keys', bearer(good.slice(0, -1))],
  [
    'a signature that lacks its last bytes',
    'signature',
    '/keys',
    bearer(`${head}.${body}.${Buffer.from(signature, 'base64url').subarray(0, -3).toString('base64url')}`),
  ],
  [
    'changed claims',
    'signature',
    '/keys',
    bearer(`${head}.${base64url(JSON.stringify(goodClaims({ sub: 'root' })))}.${signature}`),
  ],
  [
    'a changed header',
    'signature',
    '/keys',
    bearer(`${base64url('{"alg":"RS256","kid":"rsa-1"}')}.${body}.${signature}`),
  ],
  ["another issuer's key", 'key', '/keys', bearer(signToken(other))],
  ["another issuer's key under our key id", 'signature', '/keys', bearer(signToken(attacker))],
  ["one issuer's key, another one's name", 'key', '/two', bearer(signToken(other))],
  ['the other way round', 'key', '/two', bearer(signToken(rsa, goodClaims({ iss: OTHER_ISSUER })))],
  // What changes the meaning of a header
  [
    'crit that nobody knows',
    'critical',
    '/keys',
    bearer(signToken(rsa, goodClaims(), { crit: ['x'], x: 1 })),
  ],
  ['crit of exp', 'critical', '/keys', bearer(signToken(rsa, goodClaims(), { crit: ['exp'], exp: 1 }))],
  ['crit, empty', 'critical', '/keys', bearer(signToken(rsa, goodClaims(), { crit: [] }))],
  [
    'b64 false with crit',
    'critical',
    '/keys',
    bearer(signToken(rsa, goodClaims(), { b64: false, crit: ['b64'] })),
  ],
  ['b64 false without crit', 'unencoded', '/keys', bearer(signToken(rsa, goodClaims(), { b64: false }))],
  // JSON
  ['a claim twice', 'malformed', '/keys', bearer(signToken(rsa, asText(goodClaims(), '"sub":"root"')))],
  [
    'a claim twice, once escaped',
    'malformed',
    '/keys',
    bearer(signToken(rsa, asText(goodClaims(), '"\\u0073ub":"root"'))),
  ],
  [
    'a claim twice, deep inside',
    'malformed',
    '/keys',
    bearer(signToken(rsa, asText(goodClaims(), '"a":[{"b":1,"b":2}]'))),
  ],
  [
    'alg twice',
    'malformed',
    '/keys',
    bearer(signToken(rsa, goodClaims(), '{"alg":"none","alg":"RS256","kid":"rsa-1"}')),
  ],
  ['claims that are a list', 'malformed', '/keys', bearer(signToken(rsa, '[]'))],
  ['claims that are not JSON', 'malformed', '/keys', bearer(signToken(rsa, 'sub=ada'))],
  [
    'claims with text behind',
    'malformed',
    '/keys',
    bearer(signToken(rsa, `${JSON.stringify(goodClaims())}x`)),
  ],
  [
    'claims that are not UTF-8',
    'malformed',
    '/keys',
    bearer(signToken(rsa, Buffer.from(asText(goodClaims(), '"x":"\xff"'), 'latin1'))),
  ],
  [
    'a byte order mark',
    'malformed',
    '/keys',
    bearer(signToken(rsa, `\ufeff${JSON.stringify(goodClaims())}`)),
  ],
  // Encrypted tokens
  [
    'JWE where JWS is due',
    'encrypted',
    '/keys',
    bearer([base64url('{"alg":"dir","enc":"A256GCM"}'), '', 'aXY', 'Y2lwaGVy', 'dGFn'].join('.')),
  ],
  [
    'p2c of a billion, in five parts',
    'encrypted',
    '/secret',
    bearer(
      [
        base64url('{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2s":"c2FsdA","p2c":1000000000}'),
        'a2V5',
        'aXY',
        'Y2lwaGVy',
        'dGFn',
      ].join('.'),
    ),
  ],
  [
    'p2c of a billion, in three parts',
    'encrypted',
    '/secret',
    bearer(signToken(hmac, goodClaims(), { p2c: 1_000_000_000 })),
  ],
  ['a compressed token', 'encrypted', '/keys', bearer(signToken(rsa, goodClaims(), { zip: 'DEF' }))],
  // Size
  ['brackets without end', 'malformed', '/keys', bearer(signToken(rsa, '['.repeat(5000)))],
  ['points without end', 'malformed', '/keys', bearer('.'.repeat(5000))],
  // Claims
  ['expired', 'expired', '/keys', bearer(signToken(rsa, goodClaims({ exp: seconds(-31) })))],
  ['without exp', 'no-expiry', '/keys', bearer(signToken(rsa, goodClaims({ exp: undefined })))],
  [
    'exp as text',
    'malformed-time',
    '/keys',
    bearer(signToken(rsa, goodClaims({ exp: String(seconds(600)) }))),
  ],
  ['exp as null', 'malformed-time', '/keys', bearer(signToken(rsa, goodClaims({ exp: null })))],
  [
    'exp beyond numbers',
    'malformed-time',
    '/keys',
    bearer(signToken(rsa, asText(goodClaims({ exp: undefined }), '"exp":1e999'))),
  ],
  ['not yet', 'not-yet', '/keys', bearer(signToken(rsa, goodClaims({ nbf: seconds(3600) })))],
  ['nbf as text', 'malformed-time', '/keys', bearer(signToken(rsa, goodClaims({ nbf: '0' })))],
  [
    'issued in the future',
    'from-the-future',
    '/keys',
    bearer(signToken(rsa, goodClaims({ iat: seconds(3600) }))),
  ],
  ['wrong audience', 'audience', '/keys', bearer(signToken(rsa, goodClaims({ aud: 'billing-api' })))],
  ['no audience', 'audience', '/keys', bearer(signToken(rsa, goodClaims({ aud: undefined })))],
  [
    'audience that only begins so',
    'audience',
    '/keys',
    bearer(signToken(rsa, goodClaims({ aud: `${AUDIENCE}-2` }))),
  ],
  [
    'audience as a map',
    'audience',
    '/keys',
    bearer(signToken(rsa, goodClaims({ aud: { [AUDIENCE]: true } }))),
  ],
  ['wrong issuer', 'issuer', '/keys', bearer(signToken(rsa, goodClaims({ iss: 'https://evil.example' })))],
  ['issuer with a slash more', 'issuer', '/keys', bearer(signToken(rsa, goodClaims({ iss: `${ISSUER}/` })))],
  ['issuer as a list', 'issuer', '/keys', bearer(signToken(rsa, goodClaims({ iss: [ISSUER] })))],
  ['no issuer', 'issuer', '/keys', bearer(signToken(rsa, goodClaims({ iss: undefined })))],
  [
    'an unknown one of several issuers',
    'issuer',
    '/two',
    bearer(signToken(rsa, goodClaims({ iss: 'https://evil.example' }))),
  ],
  [
    'no issuer where there are several',
    'issuer',
    '/two',
    bearer(signToken(rsa, goodClaims({ iss: undefined }))),
  ],
  ['no subject', 'subject', '/keys', bearer(signToken(rsa, goodClaims({ sub: undefined })))],
  ['an empty subject', 'subject', '/keys', bearer(signToken(rsa, goodClaims({ sub: '' })))],
  ['a subject as a list', 'subject', '/keys', bearer(signToken(rsa, goodClaims({ sub: ['ada'] })))],
  ['a logout token', 'type', '/keys', bearer(signToken(rsa, goodClaims(), { typ: 'logout+jwt' }))],
  ['typ as a list', 'type', '/keys', bearer(signToken(rsa, goodClaims(), { typ: ['JWT'] }))],
  ['JWT where at+jwt is due', 'type', '/access', bearer(good)],
  ['no typ where at+jwt is due', 'type', '/access', bearer(signToken(rsa, goodClaims(), { typ: undefined }))],
  // Spelling
  ['padding behind a part', 'unreadable', '/keys', bearer(`${head}=.${body}.${signature}`)],
  ['padding at the end', 'malformed', '/keys', bearer(`${good}==`)],
  [
    'plain base64',
    'malformed',
    '/keys',
    bearer(`${head}.${body}.${signature.replaceAll('-', '+').replaceAll('_', '/')}/`),
  ],
  [
    'bits behind the end of a part',
    'malformed',
    '/keys',
    bearer(`${head}.${body}.${otherSpelling(signature)}`),
  ],
  ['a point behind', 'malformed', '/keys', bearer(`${good}.`)],
  ['a part behind', 'malformed', '/keys', bearer(`${good}.e30`)],
  ['text behind', 'unreadable', '/keys', bearer(`${good} x`)],
  ['a comma behind', 'unreadable', '/keys', bearer(`${good},`)],
  ['a token of something else', 'malformed', '/keys', bearer('b3BhcXVl')],
  ['quotes around', 'unreadable', '/keys', bearer(`"${good}"`)],
  ['two spaces', 'unreadable', '/keys', [`Authorization: Bearer  ${good}`]],
  ['a tab', 'unreadable', '/keys', [`Authorization: Bearer\t${good}`]],
  ['no token behind the scheme', 'unreadable', '/keys', ['Authorization: Bearer']],
  // Places
  ['Authorization twice, alike', 'twice', '/keys', [...bearer(good), ...bearer(good)]],
  ['Authorization twice, the good one first', 'twice', '/keys', [...bearer(good), ...bearer('x.y.z')]],
  ['Authorization twice, the good one last', 'twice', '/keys', [...bearer('x.y.z'), ...bearer(good)]],
  ['Authorization twice, once Basic', 'twice', '/keys', ['Authorization: Basic YTpi', ...bearer(good)]],
  ['Authorization twice, once empty', 'twice', '/keys', ['Authorization:', ...bearer(good)]],
  [
    'Authorization twice, once empty, where nobody need be known',
    'twice',
    '/optional',
    ['Authorization:', ...bearer(good)],
  ],
  ['in the header and in the cookie', 'twice', '/places', [...bearer(good), `Cookie: session=${good}`]],
  ['two cookies', 'twice', '/places', [`Cookie: session=${good}; session=${good}`]],
  ['two fields with cookies', 'twice', '/places', [`Cookie: session=${good}`, `Cookie: session=x`]],
  ['a header of its own, twice', 'twice', '/own', [`X-Token: ${good}`, `X-Token: ${good}`]],
  ['a bad token where nobody need be known', 'malformed', '/optional', bearer('x.y.z')],
  [
    'an expired token where nobody need be known',
    'expired',
    '/optional',
    bearer(signToken(rsa, goodClaims({ exp: 1 }))),
  ],
];

function otherSpelling(part: string): string {
  // 256 bytes leave four bits over in the last letter.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.indexOf(part.at(-1) as string);
  return part.slice(0, -1) + alphabet[last ^ 1];
}

describe('an attack', () => {
  it.for(ATTACKS)('is refused: %s', async ([, reason, path, lines]) => {
    const before = target.requests.length;
    const { status, headers, body: text } = await send(path, lines);
    const error = OF_THE_REQUEST.has(reason) ? 'invalid_request' : 'invalid_token';
    expect(status).toBe(401);
    expect(headers['www-authenticate']).toBe(`Bearer realm="api", error="${error}"`);
    const problem = JSON.parse(text) as Record<string, unknown>;
    expect(problem).toMatchObject({ code: 'GW_CREDENTIALS_INVALID', status: 401 });
    expect(await reasonOf(problem.requestId)).toBe(reason);
    expect(target.requests.length).toBe(before);
  });
});

async function reasonOf(requestId: unknown): Promise<unknown> {
  const find = () => gateway.accessLog().find((line) => line.requestId === requestId);
  await until(() => find() !== undefined);
  return find()?.reason;
}

/** Requests that carry nothing of this kind: they are told how to. */
const WITHOUT: readonly (readonly [name: string, lines: string[]])[] = [
  ['nothing', []],
  ['Basic', ['Authorization: Basic YTpi']],
  ['a scheme that only begins so', [`Authorization: BearerX ${good}`]],
  ['a look-alike', ['Authorization: Be\u00e4rer x']],
  ['a cookie that nobody asked for', [`Cookie: session=${good}`]],
  ['an underscore for a hyphen', [`X_Token: ${good}`]],
];

describe('a request without a token', () => {
  it.each(WITHOUT)('is told what is due: %s', async (_, lines) => {
    const before = target.requests.length;
    const { status, headers, body: text } = await send('/keys', lines);
    expect(status).toBe(401);
    expect(headers['www-authenticate']).toBe('Bearer realm="api"');
    expect(JSON.parse(text)).toMatchObject({ code: 'GW_CREDENTIALS_MISSING' });
    expect(target.requests.length).toBe(before);
  });

  it('has no use for one in the query', async () => {
    expect((await send(`/keys?access_token=${good}`, [])).status).toBe(401);
  });
});

it('tells in no log what a token is, and why it is refused in a word', async () => {
  await send('/keys', bearer(good));
  await send('/keys', bearer(signToken(rsa, goodClaims({ exp: 1 }))));
  const { text } = gateway.log;
  expect(gateway.accessLog().map(({ reason }) => reason)).toEqual(
    expect.arrayContaining(['expired', 'algorithm', 'signature', 'critical', 'missing', 'twice']),
  );
  expect(text).not.toContain(signature);
  expect(text).not.toContain(head);
  expect(text).not.toContain(body);
  expect(text).not.toContain('eyJ');
});
