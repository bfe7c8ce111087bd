/** The dearest requests that nobody in particular can send, within the limits of a listener: what they are made of. */
import { createHmac, generateKeyPairSync } from 'node:crypto';
import type { InjectRequest } from '../src/gateway/inject.ts';

/** What a listener takes unless it is told otherwise, with a little room for what `inject` writes itself. */
const HEAD_BYTES = 16 * 1024 - 200;
export const URL_BYTES = 8 * 1024 - 20;
const MAX_FIELDS = 98;

export type Field = readonly [name: string, value: string];

export interface ProofCase {
  /** What is measured: a policy, or a part of the gateway. */
  readonly subject: string;
  readonly input: string;
  /** What the configuration has beside an upstream and a route for all paths. */
  readonly config?: object;
  readonly policies?: readonly unknown[];
  /** Makes request number `i`: each another one, so that nothing is remembered. */
  readonly request: (i: number) => InjectRequest;
  /** Whether the listener speaks TLS and asks for certificates. */
  readonly isMutualTls?: boolean;
  /** How many are sent in a round, where that is not as usual. */
  readonly requests?: number;
}

export const SECRET = 'a secret of at least 32 characters';
const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 4096 });
const RSA = publicKey.export({ type: 'spki', format: 'pem' }) as string;
const HASH = '$scrypt$ln=15,r=8,p=3$kXRE78dW8eWxK6xVbOZPhg$5DA8FrWpu9dIOrEqXmACSCznSjkLmimJiAixkI0O/2o';

/** Repeats `text` until it fills `bytes`. */
export function fill(text: string, bytes: number): string {
  return text.repeat(Math.floor(bytes / text.length));
}

/** A request with a field that fills the head, behind as many short ones as there may be. */
export function withField(
  name: string,
  value: (bytes: number) => string,
  others: readonly Field[] = [],
): InjectRequest {
  const taken = others.reduce((sum, [other, text]) => sum + other.length + text.length + 4, name.length + 4);
  return { url: 'http://api.example.com/', headers: [...others, [name, value(HEAD_BYTES - taken)]] };
}

export function withQuery(query: (bytes: number) => string, headers: readonly Field[] = []): InjectRequest {
  return { url: `http://api.example.com/?${query(URL_BYTES)}`, headers };
}

/** Other names than any policy asks for, short, and told apart only at their end. */
export function manyFields(value: string, prefix = 'x-abcdefg'): Field[] {
  return Array.from({ length: MAX_FIELDS - 2 }, (_, i) => [`${prefix}${String(i).padStart(2, '0')}`, value]);
}

export const manyParameters = (bytes: number): string =>
  Array.from({ length: Math.floor(bytes / 4) }, (_, i) => i.toString(36).padStart(3, 'x')).join('&');

function tokenOf(claims: string, header = '{"alg":"HS256","typ":"JWT"}'): string {
  const data = `${Buffer.from(header).toString('base64url')}.${Buffer.from(claims).toString('base64url')}`;
  return `${data}.${createHmac('sha256', 'another secret').update(data).digest('base64url')}`;
}

/** A good token, for what is asked behind it. */
export function goodToken(i: number): string {
  const exp = Math.floor(Date.now() / 1000) + 600;
  const claims = JSON.stringify({ sub: `caller-${i}`, exp, level: 1 });
  const data = `${Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url')}.${Buffer.from(claims).toString('base64url')}`;
  return `${data}.${createHmac('sha256', SECRET).update(data).digest('base64url')}`;
}

const names = (count: number): string => Array.from({ length: count }, (_, i) => `"a${i}":1`).join(',');
const exp = Math.floor(Date.now() / 1000) + 600;
const LARGE_CLAIMS: readonly (readonly [string, (i: number) => string])[] = [
  ['a token with 700 claims', (i) => `{"sub":"${i}","exp":${exp},${names(600)}}`],
  [
    'a token of nested lists',
    (i) => `{"sub":"${i}","exp":${exp},"a":${'['.repeat(2800)}${']'.repeat(2800)}}`,
  ],
  ['a token of numbers', (i) => `{"sub":"${i}","exp":${exp},"a":[${fill('1e9,', 5600)}1]}`],
  [
    'a token of long numbers',
    (i) => `{"sub":"${i}","exp":${exp},"a":[${fill('12345678901234567,', 5600)}1]}`,
  ],
  ['a token with one long number', (i) => `{"sub":"${i}","exp":${exp},"a":1${fill('0', 5600)}.5}`],
  ['a token of escapes', (i) => `{"sub":"${i}","exp":${exp},"a":"${fill('\\u0061', 5600)}"}`],
];

export const jwtConfig = {
  authServices: { main: { secret: SECRET, algorithms: ['HS256'], audience: 'any' } },
};
const bearer = (token: string): InjectRequest => ({
  url: '/',
  headers: [['authorization', `Bearer ${token}`]],
});
const inCookie = [{ jwt: { from: { cookie: 'sid' } } }];

const jwt: ProofCase[] = [
  ...LARGE_CLAIMS.map(([input, claims]) => ({
    ...{ subject: 'jwt', input, config: jwtConfig, policies: ['jwt'] },
    request: (i: number) => bearer(tokenOf(claims(i))),
  })),
  ...(
    [
      ['16 KiB of letters', (b) => fill('a', b)],
      ['16 KiB of padding', (b) => `a${fill('=', b - 1)}`],
      ['16 KiB of points', (b) => fill('.', b)],
      ['16 KiB of commas', (b) => fill(',', b)],
    ] as readonly [string, (bytes: number) => string][]
  ).map(([input, value]) => ({
    ...{ subject: 'jwt', input, config: jwtConfig, policies: ['jwt'] },
    request: (i: number) => withField('authorization', (b) => `Bearer ${i}${value(b - 15)}`),
  })),
  {
    ...{ subject: 'jwt', input: '4,096 bits of RSA', policies: ['jwt'] },
    config: { authServices: { main: { publicKey: RSA, algorithms: ['RS256'], audience: 'any' } } },
    request: (i) => bearer(tokenOf(LARGE_CLAIMS[0]?.[1](i) ?? '', '{"alg":"RS256","typ":"JWT"}')),
  },
  {
    ...{
      subject: 'jwt',
      input: 'two services, by the issuer',
      policies: [{ jwt: { services: ['a', 'b'] } }],
    },
    config: {
      authServices: {
        a: { secret: SECRET, algorithms: ['HS256'], audience: 'any', issuer: 'a' },
        b: { secret: `${SECRET}!`, algorithms: ['HS256'], audience: 'any', issuer: 'b' },
      },
    },
    request: (i) => bearer(tokenOf(`{"iss":"b","sub":"${i}","exp":${exp},${names(580)}}`)),
  },
  ...(
    [
      ['a cookie of semicolons', ';'],
      ['a cookie of commas', ','],
      ['a cookie of names', 'sid;'],
      ['a cookie of pairs', 'a=b;'],
      ['a cookie of near names', 'sid1=;'],
      ['a cookie of spaces', ' '],
    ] as const
  ).map(([input, text]) => ({
    ...{ subject: 'jwt', input, config: jwtConfig, policies: inCookie },
    request: (i: number) => withField('cookie', (b) => `x=${i};${fill(text, b - 12)};sid=x`),
  })),
  {
    ...{
      subject: 'jwt',
      input: '98 fields',
      config: jwtConfig,
      policies: [{ jwt: { from: { header: 'x-abcdefg-t' } } }],
    },
    request: () => withField('x-abcdefg-t', (b) => fill('a', b), manyFields('1', 'x_abcdefg')),
  },
];

const BASIC = { basic: { users: { ada: { password: HASH } } } };
const others: ProofCase[] = [
  ...(
    [
      [
        'an unknown user',
        (i, b) => `Basic ${Buffer.from(fill(`${i}:x`, (b * 3) / 4 - 12)).toString('base64')}`,
      ],
      ['16 KiB of spaces', (_, b) => `Basic ${fill(' ', b - 7)}!`],
      ['16 KiB of letters and spaces', (_, b) => `Basic ${fill('a', b / 2 - 4)}${fill(' ', b / 2 - 4)}!`],
    ] as readonly [string, (i: number, bytes: number) => string][]
  ).map(([input, value]) => ({
    ...{ subject: 'basic', input, policies: [BASIC], requests: input === 'an unknown user' ? 5 : 60 },
    request: (i: number) => withField('authorization', (b) => value(i, b)),
  })),
  {
    ...{ subject: 'api-key', input: '16 KiB that begin like a key', policies: ['api-key'] },
    request: (i) => withField('x-api-key', (b) => `sp_live_${i}${fill('a', b - 16)}`),
  },
  {
    ...{ subject: 'api-key', input: '98 fields', policies: ['api-key'] },
    request: (i) =>
      withField('x-api-key', (b) => `sp_live_${i}${fill('a', b - 16)}`, manyFields('1', 'x_api_ke')),
  },
  {
    ...{
      subject: 'client-certificate',
      input: '98 fields',
      policies: ['client-certificate'],
      isMutualTls: true,
    },
    request: () => withField('x-note', (b) => fill('a', b), manyFields('1')),
  },
];

const signatureOf = (components: string, more = '') =>
  `sig1=(${components});created=${Math.floor(Date.now() / 1000)};keyid="partner"${more}`;
const USUAL = '"@method" "@authority" "@path" "@query"';
const signed = (input: string, query = 'a=b', headers: readonly Field[] = []): InjectRequest => ({
  url: `http://api.example.com/?${query}`,
  headers: [...headers, ['signature-input', input], ['signature', `sig1=:${fill('A', 684)}:`]],
});
const SIGNATURE = [{ signature: { keys: { partner: { publicKey: RSA } } } }];
const signature: ProofCase[] = (
  [
    [
      '300 parameters of the query, of 2,000',
      (i) =>
        signed(
          signatureOf(
            `${USUAL} ${Array.from({ length: 160 }, (_, n) => `"@query-param";name="x${n.toString(36).padStart(2, 'x')}"`).join(' ')}`,
          ),
          `${manyParameters(8000)}${i}`,
        ),
    ],
    [
      '40 parameters of the query, of 2,000',
      (i) =>
        signed(
          signatureOf(
            `${USUAL} ${Array.from({ length: 40 }, (_, n) => `"@query-param";name="x${n.toString(36).padStart(2, 'x')}"`).join(' ')}`,
          ),
          `${manyParameters(8000)}${i}`,
        ),
    ],
    ['2,000 empty components', () => signed(signatureOf(`${USUAL} ${fill('"" ', 15_000)}""`))],
    ['2,000 numbers as components', () => signed(signatureOf(`${USUAL} ${fill('1 ', 15_000)}1`))],
    [
      '2,000 parameters',
      () => signed(signatureOf(USUAL, Array.from({ length: 1900 }, (_, n) => `;p${n}`).join(''))),
    ],
    [
      '2,000 labels',
      () => signed(`${Array.from({ length: 1900 }, (_, n) => `a${n}`).join(',')},${signatureOf(USUAL)}`),
    ],
    ['a long text', () => signed(signatureOf(USUAL, `;nonce="${fill('\\"', 15_000)}"`))],
    [
      'bytes without an end',
      () =>
        withField('signature', (b) => `sig1=:${fill('A', b - 8)}`, [['signature-input', signatureOf(USUAL)]]),
    ],
    [
      'all components and 90 fields',
      () =>
        signed(
          signatureOf(
            `${USUAL} "@target-uri" "@request-target" ${manyFields('')
              .map(([name]) => `"${name}"`)
              .slice(0, 55)
              .join(' ')}`,
          ),
          fill('a', 8000),
          manyFields('a'.repeat(40)).slice(0, 90),
        ),
    ],
  ] as readonly [string, (i: number) => InjectRequest][]
).map(([input, request]) => ({ subject: 'signature', input, policies: SIGNATURE, request }));

/** Cases with services of their own, at these origins. */
export function casesWith(authService: string, issuer: string): ProofCase[] {
  const introspection = { url: issuer, clientId: 'gateway', clientSecret: SECRET };
  const forward = {
    'forward-auth': {
      url: authService,
      requestHeaders: ['authorization', 'cookie', 'x-api-key'],
      responseHeaders: ['x-role', 'x-tenant'],
    },
  };
  return [
    {
      ...{ subject: 'introspect', input: '8 KiB of letters', policies: ['introspect'] },
      config: { authServices: { main: { introspection } } },
      request: (i) => bearer(`${i}${fill('a', 8000)}`),
    },
    {
      ...{ subject: 'forward-auth', input: '98 fields', policies: [forward] },
      request: (i) =>
        withField('authorization', (b) => `Bearer ${i}${fill('a', b - 16)}`, manyFields('1', 'x_api_ke')),
    },
    {
      ...{ subject: 'forward-auth', input: '16 KiB of commas', policies: [forward] },
      request: () => withField('authorization', (b) => `Digest ${fill('a=b,', b - 16)}a=b`),
    },
    {
      ...{ subject: 'any', input: '98 fields', config: jwtConfig, isMutualTls: true },
      policies: [
        {
          any: [
            'api-key',
            { jwt: { from: { cookie: 'sid' } } },
            BASIC,
            ...SIGNATURE,
            'client-certificate',
            forward,
          ],
        },
      ],
      request: (i) =>
        withField('cookie', (b) => `x=${i};${fill('a=b;', b - 12)}`, manyFields('1', 'x_api_ke')),
    },
  ];
}

export const CREDENTIAL_CASES: readonly ProofCase[] = [...jwt, ...others, ...signature];
