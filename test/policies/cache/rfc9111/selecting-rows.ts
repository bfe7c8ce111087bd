import { ANEW, type Fields, given, type Row, rowsOf, STORED, type Step } from './rows.ts';

const varying = (vary: string | string[], more: Fields = {}): Fields => ({
  'cache-control': 'max-age=5000',
  'last-modified': -3000,
  vary,
  ...more,
});
const asked = (ask: Fields, vary: string | string[], more: Fields = {}): Step => ({
  ask,
  answer: { fields: varying(vary, more) },
  from: 'target',
});
const one = asked({ foo: '1' }, 'Foo');
const two = asked({ foo: '1', bar: 'abc' }, 'Foo, Bar');
const three = asked({ foo: '1', bar: 'abc', baz: '789' }, 'Foo, Bar, Baz');
const language = (value: string): Step => ({ ...STORED, ask: { 'accept-language': value } });
const german = asked({ 'accept-language': 'en, de' }, 'Accept-Language');

const vary = rowsOf('RFC 9111 §4.1', [
  ['optimal', 'the same value selects it', [one, { ...STORED, ask: { foo: '1' } }]],
  ['required', 'another value does not', [one, { ...ANEW, ask: { foo: '2' } }]],
  [
    'required',
    'a value does not select what was asked for without',
    [asked({}, 'Foo'), { ...ANEW, ask: { foo: '1' } }],
  ],
  ['required', 'no value does not select what was asked for with one', [one, ANEW]],
  [
    'optimal',
    'two variants are stored',
    [
      { ...one, answer: { fields: varying('Foo'), body: 'foo 1' } },
      { ...asked({ foo: '2' }, 'Foo'), answer: { fields: varying('Foo'), body: 'foo 2' }, text: 'foo 2' },
      { ...STORED, ask: { foo: '1' }, text: 'foo 1' },
      { ...STORED, ask: { foo: '2' }, text: 'foo 2' },
    ],
  ],
  [
    'optimal',
    'other fields do not matter',
    [asked({ foo: '1', other: '2' }, 'Foo'), { ...STORED, ask: { foo: '1', other: '3' } }],
  ],
  ['optimal', 'two fields select it', [two, { ...STORED, ask: { foo: '1', bar: 'abc' } }]],
  ['required', 'one of two that differs does not', [two, { ...ANEW, ask: { foo: '2', bar: 'abc' } }]],
  ['required', 'two that are not there do not', [two, ANEW]],
  ['optimal', 'three fields select it', [three, { ...STORED, ask: { foo: '1', bar: 'abc', baz: '789' } }]],
  [
    'required',
    'one of three that differs does not',
    [three, { ...ANEW, ask: { foo: '2', bar: 'abc', baz: '789' } }],
  ],
  ['required', 'whatever their order', [three, { ...ANEW, ask: { foo: '1', baz: '789', bar: 'abcde' } }]],
  [
    'optimal',
    'a field that is not there in both is the same',
    [asked({ foo: '1', baz: '789' }, 'Foo, Bar, Baz'), { ...STORED, ask: { foo: '1', baz: '789' } }],
  ],
  ['required', 'names match in any case', [asked({ foo: '1' }, 'fOO'), { ...ANEW, ask: { foo: '2' } }]],
  ...(
    [
      ['*', '*'],
      ['*, *', '*, *'],
      ['* in two lines', ['*', '*']],
      [', *', ', *'],
      ['an empty line and *', ['', '*']],
      ['*, Foo', '*, Foo'],
      ['Foo, *', 'Foo, *'],
    ] as const
  ).map(
    ([what, value]) =>
      [
        'required',
        `${what} selects nothing`,
        [asked({ foo: '1' }, value as string), { ...ANEW, ask: { foo: '1' } }],
      ] as const,
  ),
  [
    'optimal',
    'several lines are one list',
    [asked({ foo: '1, 2' }, 'Foo'), { ...STORED, ask: { foo: ['1', '2'] } }],
  ],
  [
    'optimal',
    'space in a list does not matter',
    [asked({ foo: '1,2' }, 'Foo'), { ...STORED, ask: { foo: ' 1, 2 ' } }],
  ],
  ['optimal', 'nor in Accept-Language', [german, language(' en ,   de')]],
  ['optimal', 'the case of a language does not matter', [german, language('eN, De')]],
  [
    'optimal',
    'the order of languages does not matter',
    [german, { ...ANEW, ask: { 'accept-language': 'de, en' } }],
    'services prefer the first of two that weigh the same',
  ],
  [
    'optimal',
    'Content-Language is selected by weight',
    [
      asked({ 'accept-language': 'en, de' }, 'Accept-Language', { 'content-language': 'de' }),
      { ...ANEW, ask: { 'accept-language': 'fr;q=0.5, de;q=1.0' } },
    ],
    'only the service knows which languages it has',
  ],
]);

const keys = rowsOf('RFC 9111 §2', [
  [
    'required',
    'another query is another key',
    [
      { ...given({ 'cache-control': 'max-age=60' }), path: '?test=1' },
      { ...ANEW, path: '?test=2' },
    ],
  ],
  [
    'optimal',
    'the same query is the same key',
    [
      { ...given({ 'cache-control': 'max-age=60' }), path: '?test=1' },
      { ...STORED, path: '?test=1' },
    ],
  ],
  [
    'required',
    'Date is left as it was',
    [given({ 'cache-control': 'max-age=60', date: 0 }), { ...STORED, has: { date: -3 } }],
  ],
  [
    'required',
    'Date is left beside Expires too',
    [given({ expires: 5000, date: 0 }), { ...STORED, has: { date: -3 } }],
  ],
  ['choice', 'Expires is left as it was', [given({ expires: 5000 }), { ...STORED, has: { expires: 4997 } }]],
  [
    'optimal',
    'an answer to POST that is the resource itself is used for GET',
    [
      {
        method: 'POST',
        body: '12345',
        answer: { fields: { expires: 5000, 'content-location': '/self' } },
        from: 'target',
      },
      ANEW,
    ],
    'what is posted is in no key',
  ],
]);

const interim = [102, 103].flatMap((status) =>
  rowsOf('RFC 9111 §3', [
    [
      'optimal',
      `${status} is passed on, and the final answer stored`,
      [
        {
          answer: {
            interim: [[status, status === 103 ? { link: '</style.css>; rel=preload' } : {}]],
            fields: { 'cache-control': 'max-age=60' },
          },
          from: 'target',
          interim: [status],
        },
        { ...STORED, interim: [] },
      ],
    ],
  ]),
);

export const SELECTING_ROWS: readonly Row[] = [...vary, ...keys, ...interim];
