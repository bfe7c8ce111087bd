import { ANEW, type Fields, given, type Row, rowsOf, STORED, type Step } from './rows.ts';

const control = (value: string): Fields => ({ 'cache-control': value });
const fresh = given({ expires: 100_000, 'last-modified': 0 });
const BROKEN: Step = { answer: { breaks: true }, status: 502 };

const stale = rowsOf('RFC 9111 §4.2.4, RFC 5861', [
  ['choice', 'a target that breaks is not hidden by what is stale', [given(control('max-age=2')), BROKEN]],
  [
    'choice',
    'nor one that answers 503',
    [given(control('max-age=2')), { ...ANEW, answer: { status: 503 }, status: 503 }],
  ],
  [
    'optimal',
    'stale-while-revalidate is used while it is asked for again',
    [given({ ...control('max-age=1, stale-while-revalidate=3600'), etag: '"abc"' }), { text: 'answer 0' }],
  ],
  [
    'required',
    'not beyond that time',
    [given({ ...control('max-age=1, stale-while-revalidate=2'), etag: '"abc"' }, 5), { from: 'validated' }],
  ],
  [
    'choice',
    'stale-if-error stands in where the target breaks',
    [given(control('max-age=2, stale-if-error=60')), { ...BROKEN, status: 200, text: 'answer 0' }],
  ],
  [
    'choice',
    'stale-if-error stands in for 503',
    [
      given(control('max-age=2, stale-if-error=60')),
      { answer: { status: 503 }, status: 200, text: 'answer 0' },
    ],
  ],
  [
    'required',
    'not beyond that time',
    [given(control('max-age=0, stale-if-error=1')), { answer: { status: 500 }, status: 500 }],
  ],
  ...['must-revalidate', 'proxy-revalidate', 'no-cache', 's-maxage=2'].map(
    (directive) =>
      [
        'required',
        `${directive} is never used stale`,
        [given(control(`max-age=2, ${directive}`)), BROKEN],
      ] as const,
  ),
  ...['must-revalidate', 'proxy-revalidate', 'no-cache'].map(
    (directive) =>
      [
        'required',
        `${directive} is never used stale, whatever stale-if-error says`,
        [given(control(`max-age=2, ${directive}, stale-if-error=60`)), BROKEN],
      ] as const,
  ),
]);

const WHOLE = { body: '0123456789A' };
const part = (range: string, text: string, more: Partial<Step> = {}): Step => ({
  ...STORED,
  ask: { range },
  status: 206,
  text,
  ...more,
});
const partial = rowsOf('RFC 9111 §3.3, §3.4', [
  [
    'optimal',
    'a range of a stored answer',
    [given(control('max-age=60'), 0, WHOLE), part('bytes=0-1', '01')],
  ],
  [
    'optimal',
    'a range without an end',
    [given(control('max-age=60'), 0, WHOLE), part('bytes=1-', '123456789A')],
  ],
  ['optimal', 'a range from the end', [given(control('max-age=60'), 0, WHOLE), part('bytes=-1', 'A')]],
  [
    'required',
    'has the fields of what is stored',
    [given({ ...control('max-age=60'), a: '1' }, 0, WHOLE), part('bytes=0-1', '01', { has: { a: '1' } })],
  ],
  [
    'required',
    'an unsatisfiable one is 416',
    [
      given(control('max-age=60'), 0, WHOLE),
      { ...STORED, ask: { range: 'bytes=11-' }, status: 416, has: { 'content-range': 'bytes */11' } },
    ],
  ],
  ...(
    [
      ['a range is stored, and answers the same', 'bytes=-5'],
      ['a stored range answers a smaller one', 'bytes=6-8'],
      ['a stored range answers one without an end', 'bytes=6-'],
      ['a stored range answers one from the end', 'bytes=-1'],
    ] as const
  ).map(
    ([name, range]) =>
      [
        'optimal',
        name,
        [
          {
            ask: { range: 'bytes=-5' },
            forwarded: { range: 'bytes=-5' },
            answer: {
              status: 206,
              fields: { ...control('max-age=60'), 'content-range': 'bytes 5-9/10' },
              body: '56789',
            },
            status: 206,
            from: 'target',
          },
          { ...ANEW, ask: { range }, answer: { status: 206, body: 'x' }, status: 206 },
        ],
        'parts are passed on and not stored',
      ] as const,
  ),
  [
    'optimal',
    'a stored range is completed',
    [
      {
        ask: { range: 'bytes=0-4' },
        answer: {
          status: 206,
          fields: { ...control('max-age=60'), 'content-range': 'bytes 0-4/10' },
          body: '01234',
        },
        status: 206,
      },
      { ...ANEW, forwarded: { range: null } },
    ],
    'parts are passed on and not stored',
  ],
  [
    'required',
    'a range is never taken for the whole',
    [
      {
        ask: { range: 'bytes=0-4' },
        answer: {
          status: 206,
          fields: { ...control('max-age=60'), 'content-range': 'bytes 0-4/10' },
          body: '01234',
        },
        status: 206,
      },
      { ...ANEW, status: 200 },
    ],
  ],
]);

const changes = ['POST', 'PUT', 'DELETE', 'M-SEARCH'].flatMap((method) =>
  rowsOf('RFC 9111 §4.4', [
    ['required', `${method} takes out what is stored`, [fresh, { method, body: 'abc' }, ANEW]],
    [
      'optimal',
      `${method} that fails does not`,
      [fresh, { method, body: 'abc', answer: { status: 500 }, status: 500 }, STORED],
    ],
    ...['location', 'content-location'].map(
      (field) =>
        [
          'choice',
          `${method} takes out what ${field} names`,
          [
            { ...fresh, path: '/other' },
            { method, body: 'abc', answer: { fields: { [field]: '{path}/other' } } },
            { ...ANEW, path: '/other' },
          ],
        ] as const,
    ),
    [
      'required',
      `${method} takes nothing out of other origins`,
      [
        { ...fresh, path: '/other' },
        { method, body: 'abc', answer: { fields: { location: 'http://other.test{path}/other' } } },
        { ...STORED, path: '/other' },
      ],
    ],
  ]),
);

const pragma = rowsOf('RFC 9111 §5.4', [
  [
    'choice',
    'Pragma of a request is not obeyed',
    [given(control('max-age=60')), { ...STORED, ask: { pragma: 'no-cache' } }],
  ],
  [
    'choice',
    'Pragma of an answer counts only without Cache-Control',
    [given({ ...control('max-age=60'), pragma: 'no-cache' }), STORED],
  ],
  [
    'choice',
    'Pragma of an answer without Cache-Control is believed',
    [given({ expires: 500, pragma: 'no-cache' }), ANEW],
  ],
]);

const asks = rowsOf('RFC 9111 §5.2.1', [
  [
    'required',
    'an answer to a request with no-store is not stored',
    [{ ...given(control('max-age=60')), ask: control('no-store') }, ANEW],
  ],
  ...['max-age=0', 'no-cache', 'min-fresh=2000', 'only-if-cached'].map(
    (said) =>
      [
        'choice',
        `${said} of a request is not obeyed`,
        [given(control('max-age=1500')), { ...STORED, ask: control(said) }],
      ] as const,
  ),
]);

export const USING_ROWS: readonly Row[] = [...stale, ...partial, ...changes, ...pragma, ...asks];

/** With `requestDirectives: true`. */
export const DIRECTIVE_ROWS: readonly Row[] = rowsOf('RFC 9111 §5.2.1', [
  [
    'choice',
    'max-age=0 asks for a new answer',
    [given(control('max-age=1500')), { ...ANEW, ask: control('max-age=0') }],
  ],
  [
    'choice',
    'max-age asks for a young one',
    [given({ ...control('max-age=3600'), age: '1800' }, 0), { ...ANEW, ask: control('max-age=600') }],
  ],
  [
    'choice',
    'max-stale takes a stale one',
    [given(control('max-age=1')), { ...STORED, ask: control('max-stale=1000') }],
  ],
  [
    'choice',
    'max-stale takes one that came stale',
    [
      given({ ...control('max-age=1500'), age: '2000', etag: '"a"' }, 0),
      { ...STORED, ask: control('max-stale=1000') },
    ],
  ],
  [
    'required',
    'max-stale does not lift must-revalidate',
    [
      given({ ...control('max-age=1, must-revalidate'), etag: '"a"' }),
      { from: 'validated', ask: control('max-stale=1000') },
    ],
  ],
  [
    'choice',
    'min-fresh asks for one that stays fresh',
    [given(control('max-age=1500'), 0), { ...ANEW, ask: control('min-fresh=2000') }],
  ],
  [
    'choice',
    'min-fresh counts the Age',
    [given({ ...control('max-age=1500'), age: '1000' }, 0), { ...ANEW, ask: control('min-fresh=1000') }],
  ],
  [
    'choice',
    'no-cache asks for validation',
    [
      given({ ...control('max-age=3600'), etag: '"abc"' }, 0),
      { from: 'validated', ask: control('no-cache') },
    ],
  ],
  [
    'choice',
    'Pragma: no-cache asks for validation',
    [
      given({ ...control('max-age=3600'), etag: '"abc"' }, 0),
      { from: 'validated', ask: { pragma: 'no-cache' } },
    ],
  ],
  [
    'choice',
    'only-if-cached is 504 where nothing is stored',
    [{ ask: control('only-if-cached'), status: 504 }],
  ],
]);
