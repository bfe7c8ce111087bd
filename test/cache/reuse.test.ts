import { describe, expect, it } from 'vitest';
import { NO_DIRECTIVES, parseDirectives } from '../../src/cache/directives.ts';
import { writeHttpDate } from '../../src/cache/http-date.ts';
import { type Aged, ageOf, judgeReuse, maySubstitute, type Reuse } from '../../src/cache/reuse.ts';
import type { StoreSettings } from '../../src/cache/storability.ts';
import { type Fields, NOW, rulesOf } from './cached-response.ts';

function stored(fields: Fields, settings: Partial<StoreSettings> = {}): Aged {
  return { rules: rulesOf(fields, { settings }), responseTime: NOW, staleSince: undefined };
}

const later = (seconds: number): number => NOW + seconds * 1000;

describe('the age of a stored response', () => {
  it.each<[string, Fields, number]>([
    ['is the time since it came', {}, 0],
    ['begins with its Age', { age: '30' }, 30],
    ['begins with the first Age', { age: '30, 0' }, 30],
    ['is at least that of its Date', { date: writeHttpDate(NOW - 40_000), age: '30' }, 40],
    ['ignores an Age that is none', { age: '7200.0' }, 0],
    ['ignores a Date that is ahead', { date: writeHttpDate(NOW + 40_000) }, 0],
  ])('%s', (_, fields, seconds) => {
    const response = stored({ 'cache-control': 'max-age=3600', ...fields });
    expect(ageOf(response, later(0))).toBe(seconds * 1000);
    expect(ageOf(response, later(10))).toBe((seconds + 10) * 1000);
  });

  it('is no less where the clock was put back', () => {
    expect(ageOf(stored({ 'cache-control': 'max-age=60', age: '5' }), later(-1000))).toBe(5000);
  });
});

describe('a stored response', () => {
  it.each<[string, string, number, Reuse]>([
    ['is used while it is fresh', 'max-age=60', 59, 'fresh'],
    ['is validated from the end of its lifetime on', 'max-age=60', 60, 'validate'],
    ['is validated always with no-cache', 'max-age=60, no-cache', 1, 'validate'],
    ['is used stale for its time', 'max-age=60, stale-while-revalidate=10', 69, 'stale-while-revalidate'],
    ['is not used stale beyond it', 'max-age=60, stale-while-revalidate=10', 71, 'validate'],
    [
      'is not used stale with must-revalidate',
      'max-age=60, must-revalidate, stale-while-revalidate=10',
      61,
      'validate',
    ],
  ])('%s', (_, text, seconds, expected) => {
    const response = stored({ 'cache-control': text, etag: '"a"' });
    expect(judgeReuse(response, later(seconds), NO_DIRECTIVES)).toBe(expected);
  });

  it.each<[string, string, string, number, Reuse]>([
    ['no-cache', 'max-age=60', 'no-cache', 1, 'validate'],
    ['a max-age that it has passed', 'max-age=60', 'max-age=10', 11, 'validate'],
    ['a max-age that it has not', 'max-age=60', 'max-age=10', 9, 'fresh'],
    ['max-age=0', 'max-age=60', 'max-age=0', 0, 'validate'],
    ['a min-fresh that it has not', 'max-age=60', 'min-fresh=10', 51, 'validate'],
    ['a min-fresh that it has', 'max-age=60', 'min-fresh=10', 49, 'fresh'],
    ['max-stale', 'max-age=60', 'max-stale', 10_000, 'fresh'],
    ['max-stale for a time', 'max-age=60', 'max-stale=5', 64, 'fresh'],
    ['max-stale for less', 'max-age=60', 'max-stale=5', 66, 'validate'],
    ['max-stale against must-revalidate', 'max-age=60, must-revalidate', 'max-stale', 61, 'validate'],
    ['max-stale against proxy-revalidate', 'max-age=60, proxy-revalidate', 'max-stale', 61, 'validate'],
    ['max-stale against s-maxage', 's-maxage=60', 'max-stale', 61, 'validate'],
    ['max-age beside max-stale', 'max-age=60', 'max-age=10, max-stale=5', 14, 'fresh'],
  ])('is judged by what the client asks: %s', (_, text, asked, seconds, expected) => {
    const response = stored({ 'cache-control': text, etag: '"a"' });
    expect(judgeReuse(response, later(seconds), parseDirectives(asked))).toBe(expected);
  });

  it('that a purge has marked is stale, and may be used as a stale one', () => {
    const marked = (text: string): Aged => ({
      ...stored({ 'cache-control': text, etag: '"a"' }),
      staleSince: later(5),
    });
    expect(judgeReuse(marked('max-age=60'), later(6), NO_DIRECTIVES)).toBe('validate');
    const stale = marked('max-age=60, stale-while-revalidate=10');
    expect(judgeReuse(stale, later(6), NO_DIRECTIVES)).toBe('stale-while-revalidate');
    expect(judgeReuse(stale, later(16), NO_DIRECTIVES)).toBe('validate');
  });

  it('stands in for a failed answer for its time, unless it must be validated', () => {
    const response = (text: string) => stored({ 'cache-control': text, etag: '"a"' });
    expect(maySubstitute(response('max-age=60, stale-if-error=10'), later(69))).toBe(true);
    expect(maySubstitute(response('max-age=60, stale-if-error=10'), later(71))).toBe(false);
    for (const never of ['must-revalidate', 'proxy-revalidate', 'no-cache'])
      expect(maySubstitute(response(`max-age=60, stale-if-error=10, ${never}`), later(61))).toBe(false);
    expect(
      maySubstitute(stored({ 'cache-control': 'max-age=60' }, { staleIfErrorMs: 5000 }), later(64)),
    ).toBe(true);
  });
});
