import { isIP, type LookupFunction } from 'node:net';
import { AddressBlocks, plainAddress } from '../../core/address-blocks.ts';

/** Addresses that belong to nobody on the public internet (RFC 6890), or stand for others that may not. */
const NOT_PUBLIC = new AddressBlocks([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  // Of IPv6 all that is not global unicast, and what has an IPv4 address in it.
  '::/3',
  '4000::/2',
  '8000::/1',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
]);

/** Tells whether an address is one of the public internet. */
export function isPublicAddress(address: string): boolean {
  const plain = plainAddress(address);
  return isIP(plain) !== 0 && !NOT_PUBLIC.has(plain);
}

/** Looks names up with `lookUp`, and finds none that has an address which is not public: what is connected to was checked. */
export function lookUpPublic(lookUp: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    lookUp(hostname, options, (error, found, family) => {
      if (error !== null && error !== undefined) return callback(error, found as string, family);
      const addresses = typeof found === 'string' ? [found] : found.map(({ address }) => address);
      if (addresses.length > 0 && addresses.every(isPublicAddress))
        return callback(null, found as string, family);
      callback(new PrivateAddressError(hostname), '', 0);
    });
  };
}

/** Says that a webhook leads to an address that is not public. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError';

  constructor(host: string) {
    super(`${host} has an address that is not public`);
  }
}
