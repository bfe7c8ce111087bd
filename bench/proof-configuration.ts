/** The dearest requests for what is no policy that identifies: paths, queries, the log, and what a configuration says. */
import {
  type Field,
  fill,
  goodToken,
  jwtConfig,
  manyFields,
  manyParameters,
  type ProofCase,
  URL_BYTES,
  withField,
  withQuery,
} from './proof-inputs.ts';

const listed = (count: number, item: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => item(i));
const good = (i: number): Field => ['authorization', `Bearer ${goodToken(i)}`];
const behindToken = (when: string): Pick<ProofCase, 'config' | 'policies'> => ({
  config: jwtConfig,
  policies: ['jwt', { authorize: { when } }],
});

const configuration: ProofCase[] = [
  {
    ...{ subject: 'CEL', input: 'a loop over 98 fields' },
    ...behindToken('request.headers.exists(k, request.headers["x-note"].contains("aaaaaab"))'),
    request: (i) => withField('x-note', (b) => fill('a', b), [good(i), ...manyFields('1')]),
  },
  {
    ...{ subject: 'CEL', input: 'a loop over 80 fields of 3 KiB' },
    ...behindToken('request.headers.exists(k, request.headers["x-note"].contains("aaaaaab"))'),
    request: (i) => withField('x-note', () => fill('a', 1400), [good(i), ...manyFields('1').slice(0, 80)]),
  },
  {
    ...{ subject: 'CEL', input: 'a loop over 2,000 parameters' },
    ...behindToken('request.query.exists(k, request.headers["x-note"].contains("aaaaaab"))'),
    request: (i) => withQuery(manyParameters, [good(i), ['x-note', fill('a', 7000)]]),
  },
  {
    ...{ subject: 'CEL', input: 'a search in 14 KiB' },
    ...behindToken(`!request.headers["x-note"].contains("${'a'.repeat(30)}b${'a'.repeat(30)}")`),
    request: (i) => withQuery(() => 'a', [good(i), ['x-note', fill('a', 14_000)]]),
  },
  {
    ...{ subject: 'CEL', input: 'the parts of a text', ...behindToken('request.path.split("/").size() > 4') },
    request: (i) => ({ url: `http://api.example.com/${fill('a/', 8000)}`, headers: [good(i)] }),
  },
  {
    subject: 'cors',
    input: '100 origins, a long one',
    policies: [{ cors: { origins: listed(100, (i) => `https://*.a${i}.example.com`), credentials: true } }],
    request: () => withField('origin', (b) => `https://${fill('a.', b - 24)}a1.example.com!`),
  },
  {
    ...{
      subject: 'cors',
      input: 'a preflight for 8,000 fields',
      policies: [{ cors: { origins: ['https://a.example'] } }],
    },
    request: () => ({
      ...withField('access-control-request-headers', (b) => fill('a,', b), [
        ['origin', 'https://a.example'],
        ['access-control-request-method', 'PUT'],
      ]),
      method: 'OPTIONS',
    }),
  },
  {
    subject: 'ip-filter',
    input: '1,000 ranges, 1,700 hops',
    config: { trustedProxies: ['10.0.0.0/8', '127.0.0.0/8'] },
    policies: [{ 'ip-filter': { deny: listed(1000, (i) => `192.${i >> 8}.${i & 255}.0/24`) } }],
    request: () => withField('x-forwarded-for', (b) => `${fill('10.0.0.1,', b - 10)}10.0.0.1`),
  },
  {
    subject: 'rate-limit',
    input: 'by a cookie and a field',
    policies: [{ 'rate-limit': { limit: 1_000_000, window: '1m', key: ['cookie:sid', 'header:x-tenant'] } }],
    request: () => withField('cookie', (b) => `${fill(',', b - 10)};sid=x`),
  },
  {
    subject: 'routes',
    input: '100 routes by query and field',
    config: {
      routes: listed(100, (i) => `r${i}`).map((id) => ({
        ...{ id, path: '/*', upstream: 'service' },
        ...{ query: { [id]: '1' }, headers: { 'x-route': id } },
      })),
    },
    request: () => withQuery(manyParameters, [['x-route', 'r99'], ...manyFields('1')]),
  },
];

const HOSTILE_QUERIES: readonly (readonly [string, string])[] = [
  ['%25 again and again', '%2525'],
  ['pairs of encoded pairs', 'a=%253D%26'],
  ['pairs of encoded pairs with names', 'a=k%2565y%3Da&'],
  ['one pair of many encoded', 'a=1%26'],
  ['schemes', 'basic+'],
  ['schemes and spaces', 'bearer%20'],
  ['beginnings of tokens', 'eyJaaaa.'],
  ['beginnings of keys', 'sp_a'],
  ['quotation marks', '"a":'],
  ['slashes', '//'],
  ['beginnings of private keys', '-----BEGIN+PRIVATE+KEY-----'],
  ['escaped quotes', 'key=\\"'],
  ['signs of equality', '='],
];
const plain: ProofCase[] = [
  ...HOSTILE_QUERIES.map(([input, text]) => ({
    ...{ subject: 'no policy', input: `a query of ${input}` },
    request: () => withQuery((b) => `token=a&${fill(text, b - 10)}`),
  })),
  { subject: 'no policy', input: 'a word of 8 KiB', request: () => withQuery((b) => fill('token', b)) },
  {
    subject: 'no policy',
    input: 'a path of 4,000 segments',
    request: () => ({ url: fill('/a', URL_BYTES) }),
  },
  { subject: 'no policy', input: 'a path of dots', request: () => ({ url: fill('/a/..', URL_BYTES) }) },
  {
    subject: 'no policy',
    input: 'a path of encoded letters',
    request: () => ({ url: `/${fill('%61', URL_BYTES)}` }),
  },
  {
    subject: 'no policy',
    input: 'a path of UTF-8',
    request: () => ({ url: `/${fill('%C3%A0', URL_BYTES)}` }),
  },
  {
    subject: 'no policy',
    input: '98 fields',
    request: () => withField('x-note', (b) => fill('a', b), manyFields('1')),
  },
  {
    subject: 'no policy',
    input: 'options in Connection',
    request: () => withField('connection', (b) => fill('a,', b)),
  },
];

export const CONFIGURATION_CASES: readonly ProofCase[] = [...plain, ...configuration];
