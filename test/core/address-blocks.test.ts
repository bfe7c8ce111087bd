import { describe, expect, it } from 'vitest';
import { AddressBlocks, findRangeFault, plainAddress } from '../../src/core/address-blocks.ts';
import { fc } from '../support/fast-check.ts';

describe('a set of addresses', () => {
  it('keeps the versions apart, though a BlockList does not', () => {
    expect(new AddressBlocks(['::/64']).has('10.0.0.1')).toBe(false);
    expect(new AddressBlocks(['::/0']).has('10.0.0.1')).toBe(false);
    expect(new AddressBlocks(['0.0.0.0/0']).has('::1')).toBe(false);
    expect(new AddressBlocks(['0.0.0.0/0', '::/0']).has('::1')).toBe(true);
  });

  it('has an address whose first bits are those of a range', () => {
    const numbers = fc.tuple(fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), fc.integer({ min: 0, max: 32 }));
    fc.assert(
      fc.property(numbers, ([base, other, prefix]) => {
        const same = BigInt(base) >> BigInt(32 - prefix) === BigInt(other) >> BigInt(32 - prefix);
        expect(new AddressBlocks([`${dotted(base)}/${prefix}`]).has(dotted(other))).toBe(same);
      }),
    );
  });

  it('has nothing that is not an address', () => {
    expect(new AddressBlocks(['0.0.0.0/0', '::/0']).has('localhost')).toBe(false);
  });

  it('cannot be made of something else', () => {
    expect(() => new AddressBlocks(['10.0.0.0/33'])).toThrow(/^'10.0.0.0\/33' is not an address or range/);
  });
});

describe('the plain spelling of an address', () => {
  it.each([
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:a00:1', '10.0.0.1'],
    ['0:0:0:0:0:ffff:10.0.0.1', '10.0.0.1'],
    ['0000:0000:0000:0000:0000:ffff:0a00:0001', '10.0.0.1'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::10.0.0.1', '::10.0.0.1'],
    ['10.0.0.1', '10.0.0.1'],
    ['unknown', 'unknown'],
  ])('of %s is %s', (text, plain) => {
    expect(plainAddress(text)).toBe(plain);
  });
});

describe('a range that could never match', () => {
  it.each(['::ffff:0:0/96', '0::ffff:10.0.0.0/104', '::ffff:a00:1'])('%s is refused', (text) => {
    expect(findRangeFault(text)).toContain('IPv4 written as IPv6');
  });
});

function dotted(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
}
