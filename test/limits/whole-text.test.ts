import { describe, expect, it } from 'vitest';
import { wholeText } from '../../src/limits/whole-text.ts';
import { fc } from '../support/fast-check.ts';

describe('wholeText', () => {
  it('writes every whole number as String does', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (value) => wholeText(value) === String(value)));
  });

  it.each([0, 7, 999, 1000, 1001, 12_005, 1_000_000, Number.MAX_SAFE_INTEGER])('writes %d', (value) => {
    expect(wholeText(value)).toBe(String(value));
  });
});
