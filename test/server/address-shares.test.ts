import { expect, it } from 'vitest';
import { AddressShares } from '../../src/server/address-shares.ts';

function sharesOf(most: number, exempt: readonly string[] = []): AddressShares {
  const shares = new AddressShares();
  shares.limit(most, exempt);
  return shares;
}

it('gives an address so many places, and one that was freed again', () => {
  const shares = sharesOf(2);
  const free = shares.take('192.0.2.1');
  expect(
    [free, shares.take('192.0.2.1'), shares.take('192.0.2.1')].map((place) => place !== undefined),
  ).toEqual([true, true, false]);
  free?.();
  expect(shares.take('192.0.2.1')).toBeDefined();
  expect(shares.take('192.0.2.2')).toBeDefined();
});

it.each([
  ['2001:db8::1', '2001:db8::2:3:4:5', false],
  ['2001:db8::1', '2001:db8:0:1::1', true],
  ['::ffff:192.0.2.1', '192.0.2.1', false],
  ['::ffff:192.0.2.1', '::ffff:192.0.2.2', true],
])('counts %s and %s apart: %s', (one, other, isApart) => {
  const shares = sharesOf(1);
  shares.take(one);
  expect(shares.take(other) !== undefined).toBe(isApart);
});

it('bounds nobody who is exempt, and takes new limits for what is open', () => {
  const shares = sharesOf(1, ['10.0.0.0/8']);
  expect(
    [shares.take('10.1.1.1'), shares.take('::ffff:10.1.1.1')].every((place) => place !== undefined),
  ).toBe(true);
  shares.limit(2, []);
  expect(shares.take('10.1.1.1')).toBeUndefined();
});
