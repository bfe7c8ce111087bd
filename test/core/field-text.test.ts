import { describe, expect, test } from 'vitest';
import { findCookieOnce, findFirstCookie, withoutCookie } from '../../src/core/fields/cookies.ts';
import { decodeFieldText, encodeFieldText, trimOws } from '../../src/core/fields/field-text.ts';

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

describe('the space around a field value', () => {
  test.each([
    [' \t a b \t', 'a b'],
    ['\xa0a\xa0', '\xa0a\xa0'],
    ['a\x0b', 'a\x0b'],
    [' \t ', ''],
    ['', ''],
  ])('is SP and HTAB alone: %j is %j', (value, trimmed) => expect(trimOws(value)).toBe(trimmed));
});

describe('text in a field', () => {
  test.each(['Jürgen', 'cafà', '名前', 'plain', ''])('is read as the UTF-8 that it is: %s', (text) =>
    expect(decodeFieldText(latin1(text))).toBe(text),
  );

  test.each(['J\xfcrgen', '\xc3', '\xff\xfe', '\xed\xa0\x80'])(
    'stays as it stands where it is none: %j',
    (value) => expect(decodeFieldText(value)).toBe(value),
  );

  test('is written as its UTF-8', () => expect(encodeFieldText('Jürgen')).toBe(latin1('Jürgen')));
});

describe('a cookie', () => {
  test.each([
    ['a=1; sid=x; b=2', { value: 'x' }],
    ['sid=x', { value: 'x' }],
    ['\tsid = x ;a=1', { value: 'x' }],
    ['sid=x\xa0', { value: 'x\xa0' }],
    ['sid=a,b', { value: 'a,b' }],
    ['sid=', { value: '' }],
    ['sid', undefined],
    ['sid; sid; sid', undefined],
    ['asid=x; sida=y', undefined],
    ['x="sid=1"', undefined],
    ['sid=x; sid=y', 'unclear'],
    ['sid=x, sid=y', 'unclear'],
    ['a=1, sid=x', 'unclear'],
    ['sid=x; a=1,sid=y', 'unclear'],
  ])('is found once in %j: %j', (field, found) => expect(findCookieOnce(field, 'sid')).toEqual(found));

  test('is found first, whatever parts the pairs', () => {
    expect(findFirstCookie('a=1, sid=x; sid=y', 'sid')).toBe('x');
    expect(findFirstCookie('a=1', 'sid')).toBeUndefined();
  });

  test('is taken out wherever a service could find it', () => {
    expect(withoutCookie('a=1; sid=x;; b=2, sid=y; c=3 ;sid = z', 'sid')).toBe('a=1; c=3');
    expect(withoutCookie('sid=x', 'sid')).toBe('');
  });
});
