import { ANEW, type Fields, given, type Row, rowsOf, STORED, type Step } from './rows.ts';

const control = (value: string): Fields => ({ 'cache-control': value });
const tagged = (etag: string): Step => given({ expires: 100_000, 'last-modified': 0, etag }, 0);
const noneMatch = (value: string): Step => ({ ...STORED, ask: { 'if-none-match': value }, status: 304 });
const modifiedSince = (seconds: number | string): Step => ({
  ...STORED,
  ask: { 'if-modified-since': seconds },
  status: 304,
});

const received = rowsOf('RFC 9111 §4.3.2', [
  ['optimal', 'If-None-Match of a strong tag is answered 304', [tagged('"abcdef"'), noneMatch('"abcdef"')]],
  [
    'required',
    '304 has the ETag',
    [tagged('"abcdef"'), { ...noneMatch('"abcdef"'), has: { etag: '"abcdef"' } }],
  ],
  [
    'required',
    'If-None-Match wins over If-Modified-Since',
    [
      given({ ...control('max-age=60'), 'last-modified': -5000, etag: '"abcdef"' }, 0),
      { ...STORED, ask: { 'if-none-match': '"abcdef"', 'if-modified-since': -9000 }, status: 304 },
      { ...STORED, ask: { 'if-none-match': '"other"', 'if-modified-since': -1 }, status: 200 },
    ],
  ],
  ['optimal', 'a weak tag is answered 304', [tagged('W/"abcdef"'), noneMatch('W/"abcdef"')]],
  ['optimal', 'the first of several', [tagged('"abcdef"'), noneMatch('"abcdef", "1234", "5678"')]],
  ['optimal', 'one in the middle', [tagged('"abcdef"'), noneMatch('"1234", "abcdef", "5678"')]],
  ['optimal', 'the last of several', [tagged('"abcdef"'), noneMatch('"1234", "5678", "abcdef"')]],
  ['choice', 'a tag with other letters than ASCII', [tagged('"abcdef\xfc"'), noneMatch('"abcdef\xfc"')]],
  [
    'choice',
    'one without quotes is none',
    [tagged('"abcdef"'), { ...STORED, ask: { 'if-none-match': 'abcdef' }, status: 200 }],
  ],
  [
    'optimal',
    'If-Modified-Since of that time is answered 304',
    [given({ ...control('max-age=100000'), 'last-modified': -3000 }), modifiedSince(-3003)],
  ],
  [
    'optimal',
    'If-Modified-Since of a later time is answered 304',
    [given({ ...control('max-age=100000'), 'last-modified': -3000 }), modifiedSince(-2000)],
  ],
  [
    'required',
    'If-Modified-Since of an earlier time is not',
    [
      given({ ...control('max-age=100000'), 'last-modified': -3000 }),
      { ...modifiedSince(-4000), status: 200 },
    ],
  ],
  [
    'optimal',
    'Date counts where there is no Last-Modified',
    [given(control('max-age=10000')), { ...modifiedSince(-1), status: 304 }],
  ],
  [
    'optimal',
    'the form of RFC 850 counts',
    [
      given({ ...control('max-age=10000'), 'last-modified': 'Sun, 06 Nov 1994 08:49:37 GMT' }),
      modifiedSince('Sunday, 06-Nov-94 08:49:37 GMT'),
    ],
  ],
  [
    'optimal',
    'a stale one is validated, then answered 304',
    [
      given({ ...control('max-age=2'), 'last-modified': -3000 }),
      { from: 'validated', ask: { 'if-modified-since': -3003 }, status: 304 },
    ],
  ],
  [
    'required',
    'a request without a condition never gets 304',
    [given({ ...control('max-age=2'), etag: '"a"' }), { from: 'validated', status: 200 }],
  ],
]);

const sent = rowsOf('RFC 9111 §4.3.1', [
  [
    'required',
    'a condition of ours has the fields that Vary names',
    [
      { ...given({ expires: 1, etag: '"abcdef"', vary: 'Abc' }), ask: { abc: '123' } },
      { from: 'validated', ask: { abc: '123' }, forwarded: { abc: '123', 'if-none-match': '"abcdef"' } },
    ],
  ],
  [
    'optimal',
    'a stale one with a strong tag is validated',
    [
      given({ ...control('max-age=2'), etag: '"abcdef"' }),
      { from: 'validated', forwarded: { 'if-none-match': '"abcdef"' } },
    ],
  ],
  [
    'optimal',
    'a stale one with a weak tag is validated',
    [
      given({ ...control('max-age=2'), etag: 'W/"abcdef"' }),
      { from: 'validated', forwarded: { 'if-none-match': 'W/"abcdef"' } },
    ],
  ],
  [
    'choice',
    'the tag of another variant is not used',
    [
      { ...given({ expires: 10_000, etag: '"abcdef"', vary: 'Abc' }), ask: { abc: '123' } },
      { ...ANEW, ask: { abc: '456' }, forwarded: { 'if-none-match': null } },
    ],
  ],
  [
    'choice',
    'a condition for what is not stored is not passed on, so that the whole is stored',
    [
      {
        ...given(control('max-age=60')),
        ask: { 'if-none-match': '"abcdef"' },
        forwarded: { 'if-none-match': null },
      },
      STORED,
    ],
  ],
]);

const LM = 'Wed, 01 Jan 2020 00:00:00 GMT';
const updated = (name: string, stored: string, sent: string, expected: string): readonly Step[] => [
  given({ ...control('max-age=2'), etag: '"one"', [name]: stored }),
  {
    from: 'validated',
    answer: {
      fields: { ...(name === 'cache-control' ? {} : control('max-age=2')), etag: '"one"', [name]: sent },
    },
    has: { [name]: expected },
  },
  { ...STORED, has: { [name]: expected } },
];

const freshening = rowsOf('RFC 9111 §4.3.4, §3.2', [
  [
    'required',
    'a field that the 304 leaves out is kept',
    [
      given({ ...control('max-age=2'), 'last-modified': LM, 'test-header': 'a' }),
      { from: 'validated', answer: { fields: { 'last-modified': LM } }, has: { 'test-header': 'a' } },
    ],
  ],
  ...['test-header', 'x-test-header', 'content-foo', 'x-content-foo'].map(
    (name) => ['required', `${name} of a 304 replaces it`, updated(name, 'a', 'b', 'b')] as const,
  ),
  [
    'required',
    'Cache-Control of a 304 replaces it',
    updated('cache-control', 'max-age=1', 'max-age=3600', 'max-age=3600'),
  ],
  ...(
    [
      ['content-location', '/foo', '/bar'],
      ['content-security-policy', "default-src 'self'", "default-src 'none'"],
      ['expires', 'Fri, 01 Jan 2038 01:01:01 GMT', 'Mon, 11 Jan 2038 11:11:11 GMT'],
      ['x-frame-options', 'deny', 'sameorigin'],
    ] as const
  ).map(([name, a, b]) => ['choice', `${name} of a 304 replaces it`, updated(name, a, b, b)] as const),
  [
    'choice',
    'Content-Type of a 304 does not, since the body is the old one',
    updated('content-type', 'text/plain', 'text/html', 'text/plain'),
  ],
  [
    'choice',
    'Content-Encoding of a 304 does not',
    updated('content-encoding', 'unknown', 'other', 'unknown'),
  ],
  [
    'required',
    'Content-Length of a 304 does not',
    [
      given({ ...control('max-age=2'), etag: '"one"' }, 3, { body: '01234' }),
      {
        from: 'validated',
        answer: { fields: { ...control('max-age=2'), etag: '"one"', 'content-length': '10' } },
        has: { 'content-length': '5' },
        text: '01234',
      },
      { ...STORED, has: { 'content-length': '5' }, text: '01234' },
    ],
  ],
  [
    'required',
    'a 304 about another version is not taken for what is stored',
    [
      given({ ...control('max-age=2'), etag: '"one"' }),
      { answer: { status: 304, fields: { etag: '"two"' } }, text: 'again', status: 200 },
    ],
  ],
]);

const head = rowsOf('RFC 9111 §4.3.5', [
  [
    'choice',
    'HEAD for what is stale is passed on',
    [given(control('max-age=2')), { method: 'HEAD', from: 'target' }],
  ],
  [
    'choice',
    'its answer makes it fresh again',
    [
      given({ ...control('max-age=2'), a: '1' }),
      { method: 'HEAD', from: 'target', answer: { fields: { ...control('max-age=1000'), a: '2' } } },
      { ...STORED, has: { a: '2' } },
    ],
  ],
  [
    'choice',
    'an answer with another status does not',
    [
      given({ ...control('max-age=2'), a: '1' }),
      {
        method: 'HEAD',
        from: 'target',
        status: 410,
        answer: { status: 410, fields: control('max-age=1000') },
      },
      ANEW,
    ],
  ],
  [
    'required',
    'an answer that contradicts it takes it out',
    [
      given({ ...control('max-age=2, stale-if-error=60'), etag: '"a"' }),
      { method: 'HEAD', from: 'target', answer: { fields: { ...control('max-age=1000'), etag: '"b"' } } },
      { ...ANEW, forwarded: { 'if-none-match': null } },
    ],
  ],
  [
    'required',
    'HEAD is answered by a stored GET',
    [given(control('max-age=60')), { method: 'HEAD', from: 'store', text: '' }],
  ],
  [
    'required',
    'GET is never answered by HEAD',
    [{ method: 'HEAD', answer: { fields: control('max-age=60') }, from: 'target' }, ANEW],
  ],
]);

export const VALIDATING_ROWS: readonly Row[] = [...received, ...sent, ...freshening, ...head];
