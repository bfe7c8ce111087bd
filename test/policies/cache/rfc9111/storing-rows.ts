import { ANEW, type Fields, given, notReused, type Row, reused, rowsOf, STORED, type Step } from './rows.ts';

const FRESH = 'max-age=3600';
const control = (value: string): Fields => ({ 'cache-control': value });

const directives = rowsOf('RFC 9111 §5.2.2', [
  ['required', 'private is not stored', notReused(control('private, max-age=3600'))],
  ['required', 'no-store is not stored', notReused(control('no-store'))],
  ['required', 'No-StOrE is not stored', notReused(control('No-StOrE'))],
  [
    'required',
    'no-store wins over lifetimes',
    notReused({ ...control('max-age=10000, no-store'), expires: 10_000 }),
  ],
  [
    'required',
    'no-cache is not used unvalidated',
    notReused({ ...control('max-age=10000, no-cache'), expires: 10_000 }),
  ],
  [
    'required',
    'No-CaChE is not used unvalidated',
    notReused({ ...control('max-age=10000, No-CaChE'), expires: 10_000 }),
  ],
  [
    'optimal',
    'no-cache is stored, and validated on each use',
    [
      given({ ...control('no-cache'), etag: '"abcd"' }, 0),
      { from: 'validated', forwarded: { 'if-none-match': '"abcd"' } },
    ],
  ],
  [
    'optimal',
    'no-cache is validated though it were fresh',
    [
      given({ ...control('max-age=10000, no-cache'), expires: 10_000, etag: '"abcd"' }, 0),
      { from: 'validated', forwarded: { 'if-none-match': '"abcd"' } },
    ],
  ],
  [
    'choice',
    'fields that no-cache names are not stored',
    [
      given({ 'cache-control': ['no-cache="a, b"', FRESH], a: '1', b: '2', c: '3' }),
      { ...STORED, has: { a: null, b: null, c: '3' } },
    ],
  ],
  [
    'choice',
    'fields that private names are not stored',
    [
      given({ ...control('private="a", max-age=3600'), a: '1', b: '2' }),
      { ...STORED, has: { a: null, b: '2' } },
    ],
  ],
  [
    'optimal',
    'must-revalidate is used while it is fresh',
    reused({ ...control('max-age=10000, must-revalidate'), etag: '"a"' }),
  ],
  [
    'required',
    'must-revalidate is validated once it is stale',
    [
      given({ ...control('max-age=2, must-revalidate'), etag: '"abcd"' }, 1),
      { ...STORED, wait: 3 },
      { from: 'validated' },
    ],
  ],
  [
    'required',
    'an unknown status with must-understand is not stored',
    notReused(control('max-age=3600, no-store, must-understand'), { status: 599 }),
  ],
  [
    'optimal',
    'a known status with must-understand is, whatever no-store says',
    reused(control('max-age=3600, no-store, must-understand')),
  ],
]);

const fieldValues: readonly (readonly [string, string])[] = [
  ['test-header', 'a'],
  ['x-test-header', 'a'],
  ['content-foo', 'a'],
  ['x-content-foo', 'a'],
  ['content-encoding', 'unknown'],
  ['content-location', '/bar'],
  ['content-md5', 'N7UdGUp1E+RbVvZSTy1R8g=='],
  ['content-range', 'a'],
  ['content-security-policy', "default-src 'self' cdn.example.com"],
  ['content-type', 'text/plain;charset=utf-8'],
  ['clear-site-data', 'cookies'],
  ['etag', '"ghijkl"'],
  ['expires', 'Mon, 11 Jan 2038 11:11:11 GMT'],
  ['public-key-pins', 'a'],
  ['set-cookie2', 'a=c'],
  ['x-frame-options', 'sameorigin'],
  ['x-xss-protection', '1; mode=block'],
];
const notStored = [
  ...['keep-alive', 'proxy-authenticate', 'proxy-authentication-info', 'proxy-authorization'],
  ...['proxy-connection', 'te', 'upgrade'],
];

const fields = rowsOf('RFC 9111 §3.1', [
  ...fieldValues.map(
    ([name, value]) =>
      [
        'required',
        `${name} is stored`,
        [given({ ...control(FRESH), [name]: value }), { ...STORED, has: { [name]: value } }],
      ] as const,
  ),
  [
    'required',
    'Cache-Control is stored',
    [given(control(FRESH)), { ...STORED, has: { 'cache-control': FRESH } }],
  ],
  [
    'required',
    'Content-Length is stored',
    [given(control(FRESH), 3, { body: '0123456789' }), { ...STORED, has: { 'content-length': '10' } }],
  ],
  ...notStored.map(
    (name) =>
      [
        'required',
        `${name} is not stored`,
        [given({ ...control(FRESH), [name]: 'timeout=5' }), { ...STORED, has: { [name]: null } }],
      ] as const,
  ),
  [
    'required',
    'what Connection names is not stored',
    [
      given({ ...control(FRESH), connection: 'a, b', a: '1', b: '2', c: '3' }),
      { ...STORED, has: { a: null, b: null, c: '3' } },
    ],
  ],
  [
    'required',
    'Set-Cookie is stored',
    [given({ ...control(FRESH), 'set-cookie': 'a=b' }), ANEW],
    'a cookie of one client must not become that of all',
  ],
  [
    'optimal',
    'an answer with Set-Cookie is used again',
    notReused({ ...control(FRESH), 'set-cookie': 'a=b' }),
    'a cookie of one client must not become that of all',
  ],
]);

const statuses = [
  200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599,
].flatMap((status) =>
  rowsOf('RFC 9111 §3, §4.2', [
    [
      'optimal',
      `${status} that names its lifetime is used again`,
      reused({ expires: 100_000, 'last-modified': 0 }, { status }),
    ],
    [
      'required',
      `${status} that is stale is not`,
      [given({ expires: -5000, 'last-modified': -100_000 }, 0, { status }), ANEW],
    ],
  ]),
);

const authorization = { authorization: 'FOO' };
const authorized = (said: string): Step => ({
  ask: authorization,
  forwarded: authorization,
  answer: { fields: control(said) },
  from: 'target',
  wait: 3,
});

const credentials = rowsOf('RFC 9111 §3.5', [
  ['required', 'an answer to Authorization is not used for others', [authorized(FRESH), ANEW]],
  ['optimal', 'but with public', [authorized('max-age=3600, public'), STORED]],
  ['optimal', 'but with s-maxage', [authorized('s-maxage=3600'), STORED]],
  [
    'optimal',
    'but with must-revalidate',
    [authorized('max-age=3600, must-revalidate'), ANEW],
    'it says nothing of who may see it',
  ],
  [
    'required',
    'what is for everybody is not for Authorization unless it says so',
    [given(control(FRESH)), { ...ANEW, ask: authorization }],
  ],
  [
    'optimal',
    'a Cookie in the request changes nothing',
    [given(control(FRESH)), { ...STORED, ask: { cookie: 'a=b' } }],
  ],
]);

const cdn = (value: string, more: Fields = {}): Fields => ({ 'cdn-cache-control': value, ...more });
const targeted = rowsOf('RFC 9213 §2', [
  ['optimal', 'CDN-Cache-Control: max-age is a lifetime', reused(cdn('max-age=3600'))],
  ['optimal', 'max-age of 2^31', reused(cdn('max-age=2147483648'))],
  ['optimal', 'max-age beyond 32 bits', reused(cdn('max-age=99999999999'))],
  ['required', 'Age counts against it', notReused(cdn('max-age=3600', { age: '7200' }))],
  ['choice', 'a space before = makes it no dictionary', notReused(cdn('max-age =100', control('max-age=1')))],
  ['choice', 'a space behind = makes it no dictionary', notReused(cdn('max-age= 100', control('max-age=1')))],
  ['required', 'max-age=0 is stale', notReused(cdn('max-age=0'))],
  ['optimal', 'directives that nobody knows are passed over', reused(cdn('foobar, max-age=3600'))],
  ['choice', 'names are in lower case, as in every dictionary', notReused(cdn('MaX-aGe=3600'))],
  ['optimal', 'it wins over Expires that has passed', reused(cdn('max-age=3600', { expires: -10_000 }))],
  ['optimal', 'it wins over Expires that is none', reused(cdn('max-age=3600', { expires: '0' }))],
  ['required', 'max-age=0 wins over Expires', notReused(cdn('max-age=0', { expires: 10_000 }))],
  ['optimal', 'it wins over a shorter Cache-Control', reused(cdn('max-age=3600', control('max-age=1')))],
  ['required', 'it wins over a longer Cache-Control', notReused(cdn('max-age=1', control('max-age=3600')))],
  ['required', 'private wins', notReused(cdn('private', { ...control('max-age=10000'), expires: 10_000 }))],
  ['required', 'no-cache wins', notReused(cdn('no-cache', { ...control('max-age=10000'), expires: 10_000 }))],
  ['required', 'no-store wins', notReused(cdn('no-store', { ...control('max-age=10000'), expires: 10_000 }))],
  ['required', 'it wins over no-store', reused(cdn('max-age=10000', control('no-store')))],
  [
    'required',
    'one that is not a dictionary is ignored',
    notReused(cdn('max-age=10000, &&&&&', control('no-store'))),
  ],
  ['required', 'a number in quotes is none', notReused(cdn('max-age="10000"', control('no-store')))],
  [
    'choice',
    'it is passed on',
    [{ answer: { fields: cdn('foo', control(FRESH)) }, has: { 'cdn-cache-control': 'foo' } }],
  ],
]);

export const STORING_ROWS: readonly Row[] = [
  ...directives,
  ...fields,
  ...statuses,
  ...credentials,
  ...targeted,
];
