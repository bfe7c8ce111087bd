import { BlockList, isIP, isIPv4, SocketAddress } from 'node:net';

/**
 * A set of addresses and ranges. Has a list for each version, since one `BlockList` finds IPv4 addresses in IPv6
 * ranges such as `::/64`.
 */
export class AddressBlocks {
  private readonly ipv4 = new BlockList();
  private readonly ipv6 = new BlockList();

  /** Takes addresses and ranges such as `10.0.0.0/8`. Throws `TypeError` for what is neither. */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) {
      const fault = findRangeFault(range);
      if (fault !== undefined) throw new TypeError(`'${range}' ${fault}`);
      const [address = '', prefix] = range.split('/');
      if (isIPv4(address)) this.ipv4.addSubnet(address, Number(prefix ?? 32), 'ipv4');
      else this.ipv6.addSubnet(address, Number(prefix ?? 128), 'ipv6');
    }
  }

  /** Tells whether an address, spelt as `plainAddress` does, is in one of the ranges. What is no address is in none. */
  has(address: string): boolean {
    const version = isIP(address);
    if (version === 4) return this.ipv4.check(address, 'ipv4');
    return version === 6 && this.ipv6.check(address, 'ipv6');
  }
}

/** Says what is wrong with the text of an address or range, and behind ' — ' what to write instead. */
export function findRangeFault(text: string): string | undefined {
  const [address = '', prefix, ...more] = text.split('/');
  const version = isIP(address);
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bitsOf(version));
  if (version === 0 || more.length > 0 || !isPrefix || address.includes('%')) {
    return 'is not an address or range — write it like 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32';
  }
  if (version === 6 && isIPv4(plainAddress(address))) {
    return 'is IPv4 written as IPv6, which no address is compared as — write it like 10.0.0.0/8, without ::ffff:';
  }
  return undefined;
}

/**
 * Writes an address in one way: IPv6 compressed, in lower case, without zone; IPv4-mapped IPv6, however it is spelt,
 * as IPv4. What is not an address stays as it is.
 */
export function plainAddress(text: string): string {
  if (isIP(text) !== 6) return text;
  const [unzoned = ''] = text.split('%');
  const { address } = new SocketAddress({ address: unzoned, family: 'ipv6' });
  const mapped = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : '';
  return isIPv4(mapped) ? mapped : address;
}

function bitsOf(version: number): number {
  return version === 4 ? 32 : 128;
}
