import { type Fields, given, type Row, rowsOf } from './rows.ts';

const DAY = 24 * 3600;
const old: Fields = { 'last-modified': -DAY };

/** With `heuristic: true`. */
export const HEURISTIC_ROWS: readonly Row[] = rowsOf('RFC 9111 §4.2.2', [
  ...[200, 203, 204, 404, 405, 410, 414, 501].map(
    (status) =>
      [
        'optimal',
        `${status} is fresh for a tenth of its time since Last-Modified`,
        [given(old, 0, { status }), { from: 'store', status }],
      ] as const,
  ),
  ...[201, 202, 403, 502, 503, 504, 599].map(
    (status) => ['required', `${status} is not`, [given(old, 0, { status }), { from: 'target' }]] as const,
  ),
  [
    'optimal',
    '599 is with public',
    [given({ ...old, 'cache-control': 'public' }, 0, { status: 599 }), { from: 'store', status: 599 }],
  ],
  [
    'choice',
    'what was changed ten seconds ago is not fresh for three',
    [given({ 'last-modified': -10 }), { from: 'target' }],
  ],
  ['choice', 'what was changed a minute ago is', [given({ 'last-modified': -60 }), { from: 'store' }]],
  ['choice', 'no more than a day', [given({ 'last-modified': -1000 * DAY }, DAY), { from: 'target' }]],
  ['choice', 'what says nothing at all is not', [given({}), { from: 'target' }]],
]);
