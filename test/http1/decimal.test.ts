import { describe, expect, it } from 'vitest';
import { readDecimal } from '../../src/http1/decimal.ts';
import { fc } from '../support/fast-check.ts';

describe('a decimal number', () => {
  it('is read wherever it stands', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.string(), fc.string(), (value, before, after) => {
        const text = `${before}${value}${after}`;
        expect(readDecimal(text, before.length, text.length - after.length)).toBe(value);
      }),
    );
  });

  it.each(['', '-1', '+1', ' 1', '1 ', '1.0', '0x10', '1e3', '１', '12345678901234567', '9007199254740992'])(
    'is not %j',
    (text) => expect(readDecimal(text)).toBe(-1),
  );

  it('may have leading zeros', () => expect(readDecimal('0012')).toBe(12));
});
