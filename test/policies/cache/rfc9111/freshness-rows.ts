import { type Fields, given, notReused, type Row, reused, rowsOf, STORED } from './rows.ts';

const HOUR = 3600;
const MONTH = 30 * 24 * HOUR;
const control = (value: string): Fields => ({ 'cache-control': value });

const lifetimes = rowsOf('RFC 9111 §4.2.1', [
  ['choice', 'what says nothing is not used again', notReused({})],
  ['optimal', 'max-age is a lifetime', reused(control('max-age=3600'))],
  ['required', 'after max-age it is stale', notReused(control('max-age=2'))],
  ['required', 'max-age=0 is stale at once', notReused(control('max-age=0'))],
  ['optimal', 'max-age of 2^31 - 1', reused(control('max-age=2147483647'))],
  ['optimal', 'max-age of 2^31', reused(control('max-age=2147483648'))],
  ['optimal', 'max-age of 2^31 + 1', reused(control('max-age=2147483649'))],
  ['optimal', 'max-age beyond 32 bits', reused(control('max-age=99999999999'))],
  [
    'optimal',
    'max-age wins over Expires that has passed',
    reused({ ...control('max-age=3600'), expires: -7200 }),
  ],
  [
    'optimal',
    'max-age wins over Expires that is not a date',
    reused({ ...control('max-age=3600'), expires: '0' }),
  ],
  ['required', 'max-age=0 wins over Expires', notReused({ ...control('max-age=0'), expires: HOUR })],
  ['optimal', 'directives that nobody knows are passed over', reused(control('foobar, max-age=3600'))],
  ['optimal', 'names of directives match in any case', reused(control('MaX-aGe=3600'))],
  ['required', 'a negative max-age is none', notReused(control('max-age=-3600'))],
  ['optimal', 's-maxage is a lifetime', reused(control('s-maxage=3600'))],
  ['required', 's-maxage wins over a longer max-age', notReused(control('max-age=3600, s-maxage=1'))],
  ['required', 's-maxage wins in front of it too', notReused(control('s-maxage=1, max-age=3600'))],
  [
    'required',
    's-maxage wins in a line of its own',
    notReused({ 'cache-control': ['max-age=3600', 's-maxage=1'] }),
  ],
  ['optimal', 's-maxage wins over a shorter max-age', reused(control('max-age=1, s-maxage=3600'))],
  [
    'optimal',
    's-maxage wins over max-age=0 and Expires',
    reused({ ...control('max-age=0, s-maxage=3600'), expires: -10 }),
  ],
  ['optimal', 'Expires is a lifetime', reused({ expires: MONTH })],
  ['required', 'Expires that has passed', notReused({ expires: -MONTH })],
  ['required', 'Expires of now', [given({ expires: 0 }, 0), { from: 'target' }]],
  ['required', 'Expires before Date, both fast', notReused({ date: 400, expires: 300 })],
  ['optimal', 'Expires counts where Date is none', [given({ date: 'foo', expires: 10 }, 0), STORED]],
]);

const ages = rowsOf('RFC 9111 §4.2.3', [
  ['required', 'an Age beyond the lifetime is stale', notReused({ ...control('max-age=3600'), age: '7200' })],
  ['choice', 'a Date beyond the lifetime is stale', notReused({ ...control('max-age=3600'), date: -7200 })],
  [
    'required',
    'an Age beyond Expires minus Date is stale, Date slow',
    [given({ date: -10, expires: 10, age: '25' }, 0), { from: 'target' }],
  ],
  [
    'required',
    'an Age beyond Expires minus Date is stale, Date fast',
    [given({ date: 10, expires: 20, age: '15' }, 0), { from: 'target' }],
  ],
  [
    'choice',
    'a Date in the future makes nothing live longer',
    notReused({ ...control('max-age=2'), date: HOUR }),
  ],
]);

const aged = (age: string | string[], lifetime = HOUR): Fields => ({
  ...control(`max-age=${lifetime}`),
  age,
});

const ageParsing = rowsOf('RFC 9111 §5.1', [
  ['required', 'an Age that is not a number is ignored', reused(aged('abc'))],
  ['required', 'a negative Age is ignored', reused(aged('-7200'))],
  ['required', 'an Age with a fraction is ignored', reused(aged('7200.0'))],
  ['required', 'an Age of 2^31 - 1', notReused(aged('2147483647'))],
  ['required', 'an Age of 2^31', notReused(aged('2147483648'))],
  ['required', 'an Age of 2^31 + 1', notReused(aged('2147483649'))],
  ['required', 'the first of a list counts: old', notReused(aged('7200, 0'))],
  ['required', 'the first of a list counts: young', reused(aged('0, 7200'))],
  ['required', 'the first of two lines counts: old', notReused(aged(['7200', '0']))],
  ['required', 'the first of two lines counts: young', reused(aged(['0', '7200']))],
  ['required', 'twice 0 in a line', reused(aged('0, 0'))],
  ['required', 'twice 0 in two lines', reused(aged(['0', '0']))],
  ['required', 'twice the same in two lines', reused(aged(['3600', '3600'], 10_000))],
  [
    'required',
    'an answer from the store has an Age',
    [given(control('max-age=3600')), { ...STORED, has: { age: '3' } }],
  ],
  [
    'required',
    'Age is counted on from that of the answer',
    [given({ ...control('max-age=3600'), age: '30' }), { ...STORED, has: { age: '33' } }],
  ],
  [
    'required',
    'Age is counted on where Expires is the lifetime',
    [given({ expires: MONTH, age: '30' }), { ...STORED, has: { age: '33' } }],
  ],
]);

const parsing = rowsOf('RFC 9111 §4.2.1', [
  ['choice', 'two max-age that differ are stale', notReused(control('max-age=1800, max-age=1'))],
  [
    'choice',
    'two max-age that differ are stale, in two lines',
    notReused({ 'cache-control': ['max-age=1', 'max-age=1800'] }),
  ],
  ['choice', 'max-age may be quoted', reused(control('max-age="3600"'))],
  ['required', 'max-age in a quoted text is none', notReused(control('extension="max-age=3600", max-age=1'))],
  [
    'required',
    'max-age in a quoted text behind it is none',
    notReused(control('max-age=1, extension="max-age=3600"')),
  ],
  ['choice', 'a space before = makes it none', notReused(control('max-age =3600'))],
  ['choice', 'a space behind = makes it none', notReused(control('max-age= 3600'))],
  ['required', 'zeros in front do not matter', reused(control('max-age=003600'))],
  ['required', 'single quotes are not quotes', notReused(control("max-age='3600'"))],
  ['choice', 'a fraction is none', notReused(control('max-age=3600.0'))],
  ['choice', 'letters in front make it none', notReused(control('max-age=a3600'))],
  ['choice', 'letters behind make it none', notReused(control('max-age=3600a'))],
]);

const dates = rowsOf('RFC 9110 §5.6.7, RFC 9111 §5.3', [
  ['required', 'Expires: 0 has passed', notReused({ expires: '0' })],
  ['optimal', 'beyond 32 bits', reused({ expires: 'Tue, 19 Jan 2038 14:14:08 GMT' })],
  ['optimal', 'far ahead', reused({ expires: 'Sun, 21 Nov 2286 04:46:39 GMT' })],
  ['optimal', 'the form of RFC 850', reused({ expires: 'Thursday, 18-Aug-50 02:01:18 GMT' })],
  ['optimal', 'the form of asctime', reused({ expires: 'Thu Aug  8 02:01:18 2050' })],
  ['optimal', 'a weekday in another case', reused({ expires: 'THU, 18 Aug 2050 02:01:18 GMT' })],
  ['optimal', 'a month in another case', reused({ expires: 'Thu, 18 AUG 2050 02:01:18 GMT' })],
  ['optimal', 'a zone in another case', reused({ expires: 'Thu, 18 Aug 2050 02:01:18 gMT' })],
  ...(
    [
      ['UTC', 'Thu, 18 Aug 2050 02:01:18 UTC'],
      ['another zone', 'Thu, 18 Aug 2050 02:01:18 AEST'],
      ['a year of two digits', 'Thu, 18 Aug 50 02:01:18 GMT'],
      ['no comma', 'Thu 18 Aug 2050 02:01:18 GMT'],
      ['several spaces', 'Thu, 18  Aug  2050 02:01:18 GMT'],
      ['dashes', 'Thu, 18-Aug-2050 02:01:18 GMT'],
      ['dots in the time', 'Thu, 18 Aug 2050 02.01.18 GMT'],
      ['an hour of one digit', 'Thu, 18 Aug 2050 2:01:18 GMT'],
    ] as const
  ).map(([what, expires]) => ['required', `${what} makes it no date`, notReused({ expires })] as const),
  [
    'required',
    'two that differ have passed',
    notReused({ expires: ['Thu, 18 Aug 2050 02:01:18 GMT', 'Thu, 18 Aug 2050 02:01:19 GMT'] }),
  ],
]);

export const FRESHNESS_ROWS: readonly Row[] = [...lifetimes, ...ages, ...ageParsing, ...parsing, ...dates];
