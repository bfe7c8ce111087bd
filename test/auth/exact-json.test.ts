import { describe, expect, test } from 'vitest';
import { parseExactJson } from '../../src/auth/exact-json.ts';
import { exactText } from '../../src/core/identity/identity.ts';

describe('a number in JSON', () => {
  test.each([
    '0',
    '-0',
    '42',
    '9007199254740991',
    '-9007199254740991',
    '0.5',
    '1.50',
    '1e3',
    '12E-1',
    '0.1234567890123456',
    '1000000000000000e0',
    '0.30000000000000004',
  ])('is read where JavaScript has it: %s', (text) => expect(parseExactJson(text)).toBe(Number(text)));

  test.each([
    '9007199254740992',
    '9007199254740993',
    '-9007199254740993',
    '1e16',
    '1e400',
    '1e-400',
    '9007199254740991.4',
    '1.0000000000000000001',
    '0.10000000000000000001',
    '123456789012345678901234567890',
  ])('is not a number where it would be another one: %s', (text) => {
    expect(parseExactJson(text)).toBeNaN();
    expect(parseExactJson(`{"a":[{"b":${text}}],"c":"${text}"}`)).toEqual({
      a: [{ b: Number.NaN }],
      c: text,
    });
  });

  test('may be rounded where it is a time', () => {
    expect(parseExactJson('{"exp":1700000000.1234567891,"uid":"4e1"}')).toEqual({
      exp: 1700000000.1234567,
      uid: '4e1',
    });
  });
});

test.each([
  ['a', 'a'],
  [7, '7'],
  [true, 'true'],
  [2 ** 53 - 1, '9007199254740991'],
  [2 ** 53, undefined],
  [Number.NaN, undefined],
  [Number.POSITIVE_INFINITY, undefined],
  [null, undefined],
  [['a'], undefined],
])('a claim %j is the text %j', (claim, text) => expect(exactText(claim)).toBe(text));
