import { describe, expect, it } from 'vitest';
import { parseHttpDate, writeHttpDate } from '../../src/cache/http-date.ts';
import { fc } from '../support/fast-check.ts';

const NOW = Date.UTC(2026, 11, 1);
const TIME = Date.UTC(1994, 10, 6, 8, 49, 37);

describe('an HTTP date', () => {
  it.each(['Sun, 06 Nov 1994 08:49:37 GMT', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994'])(
    'is read in each of its three forms: %s',
    (text) => {
      expect(parseHttpDate(text, NOW)).toBe(TIME);
    },
  );

  it.each([
    'SUN, 06 Nov 1994 08:49:37 GMT',
    'Sun, 06 nOV 1994 08:49:37 GMT',
    'sunday, 06-NOV-94 08:49:37 gMT',
  ])('is read in any case: %s', (text) => {
    expect(parseHttpDate(text, NOW)).toBe(TIME);
  });

  it('of two digits for the year lies at most fifty years ahead', () => {
    expect(parseHttpDate('Tuesday, 01-Dec-76 00:00:00 GMT', NOW)).toBe(Date.UTC(2076, 11, 1));
    expect(parseHttpDate('Wednesday, 01-Dec-77 00:00:00 GMT', NOW)).toBe(Date.UTC(1977, 11, 1));
  });

  it.each([
    ['', '0', '-1', 'never'],
    ['Sun, 06 Nov 1994 08:49:37 UTC', 'Sun, 06 Nov 1994 08:49:37', 'Sun, 06 Nov 1994 08:49:37 +0000'],
    ['Sun, 6 Nov 1994 08:49:37 GMT', 'Sun, 06 Nov 94 08:49:37 GMT', 'Sun, 06 Nov 1994 8:49:37 GMT'],
    ['Sun, 06 Nov 1994 08:49:37 GM', 'Xyz, 06 Nov 1994 08:49:37 GMT', 'Sun, 06-Nov-1994 08:49:37 GMT'],
    ['Sun, 31 Feb 2027 00:00:00 GMT', 'Sun, 06 Nov 1994 24:00:00 GMT', 'Sun, 06 Nov 1994 08:60:00 GMT'],
    ['Sun, 00 Nov 1994 08:49:37 GMT', '1994-11-06T08:49:37Z', ' Sun, 06 Nov 1994 08:49:37 GMT'],
  ])('is none where it has another form: %j', (...texts) => {
    expect(texts.map((text) => parseHttpDate(text, NOW))).toEqual(texts.map(() => undefined));
  });

  it('is read as it was written, whatever the time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_799 }), (seconds) => {
        expect(parseHttpDate(writeHttpDate(seconds * 1000), NOW)).toBe(seconds * 1000);
      }),
    );
  });
});
