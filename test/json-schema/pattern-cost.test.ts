import { expect, test } from 'vitest';
import { compilePattern } from '../../src/json-schema/bounded-pattern.ts';
import { costOf } from '../../src/json-schema/pattern-cost.ts';
import { fc } from '../support/fast-check.ts';

test.each([
  '^(a+)+$',
  '(a|a)*$',
  '^(a|aa)+$',
  '(a*)*b',
  '^\\w+([.-]?\\w+)*@\\w+([.-]?\\w+)*(\\.\\w{2,3})+$',
  '^([a-z ]{1,20}){1,20}$',
  '(x(y?|z?))*$',
  '^(\\d+|\\w+)*$',
  '^(?:a|b|ab)*$',
  '^(?=(a+)+b)',
  '(\\s*)*$',
  '^(([a-z])+.)+[A-Z]([a-z])+$',
])('%s could run for hours', (pattern) => {
  expect(costOf(pattern)).toBe('exponential');
});

test.each([
  ['^[a-z]+$', 1],
  ['[a-z]+', 1],
  ['^[a-z0-9]+(-[a-z0-9]+)*$', 1],
  ['^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\\.[a-zA-Z]{2,}$', 1],
  ['^(?=.*[A-Z])(?=.*\\d).{8,}$', 1],
  ['^\\p{L}+( \\p{L}+)*$', 1],
  ['^((25[0-5]|2[0-4]\\d|1?\\d?\\d)\\.){3}\\d+$', 1],
  ['^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{3}=)?$', 1],
  ['\\s+$', 2],
  ['^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$', 2],
  ['^\\S+@\\S+\\.\\S+$', 3],
  ['^(?:)$', 1],
])('%s takes the power %i of its text', (pattern, power) => {
  expect(costOf(pattern)).toEqual({ power });
});

test('what is no regular expression has no cost', () => {
  expect(costOf('(')).toBeUndefined();
  expect(() => compilePattern('[')).toThrow(SyntaxError);
});

test('a pattern that is said to be linear ends soon on any text of its own characters', () => {
  const piece = fc.constantFrom(
    'a',
    'b',
    '[ab]',
    'a?',
    'a*',
    'b+',
    '(?:ab)*',
    '(?:a|b)*',
    '(?:a+b)*',
    '(?:a*b?)*',
    '.',
  );
  const pattern = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => `^${pieces.join('')}$`);
  fc.assert(
    fc.property(pattern, fc.constantFrom('a', 'ab', 'aab', 'b'), (source, word) => {
      const cost = costOf(source);
      if (cost === undefined || cost === 'exponential' || cost.power > 1) return;
      // Beyond what an exponential one ever ends with, and a cubic one soon.
      expect(typeof new RegExp(source, 'u').test(`${word.repeat(4000)}!`)).toBe('boolean');
    }),
    { numRuns: 200 },
  );
});

test('a pattern of a higher power is held against short texts alone', () => {
  const pattern = compilePattern('[a-z]+$');
  expect(pattern.test('a'.repeat(1024))).toBe(true);
  expect(pattern.test('a'.repeat(1025))).toBe(false);
  expect(compilePattern('^\\-$').test('-')).toBe(true);
});
