import { BlockList, isIP, SocketAddress } from 'node:net';
import { z } from 'zod';
import { addressRange } from '../config/scalars.ts';
import { GatewayError } from '../core/errors.ts';
import { definePolicy } from '../core/policy.ts';

const DENIED = new GatewayError('GW_IP_DENIED');

/** Lets requests in by the client's address, as `trustedProxies` say it. */
export const ipFilter = definePolicy({
  name: 'ip-filter',
  summary: "Refuses requests by the client's address with 403.",
  options: z
    .strictObject({
      allow: z
        .array(addressRange())
        .min(1, { error: 'is empty — name an address, or leave `allow` out for all' })
        .optional()
        .describe('Addresses and ranges let in, such as `10.0.0.0/8`; left out: all.'),
      deny: z
        .array(addressRange())
        .prefault([])
        .describe('Addresses and ranges refused, also where `allow` names them.'),
    })
    .refine(({ allow, deny }) => allow !== undefined || deny.length > 0, {
      error: 'filters nothing — name addresses in allow or deny',
    }),
  refuses: true,
  create({ allow, deny }) {
    const allowed = allow && blockListOf(allow);
    const denied = blockListOf(deny);
    return {
      onRequest({ clientAddress }) {
        const address = canonicalAddress(clientAddress);
        const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
        if (address === '' || denied.check(address, family)) return DENIED;
        return allowed === undefined || allowed.check(address, family) ? undefined : DENIED;
      },
    };
  },
});

function blockListOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
}

/** Returns the address without zone, IPv4-mapped IPv6 as IPv4, so that a range has one spelling; empty for no address. */
function canonicalAddress(text: string): string {
  const family = isIP(text);
  if (family !== 6) return family === 4 ? text : '';
  const zone = text.indexOf('%');
  const { address } = new SocketAddress({
    address: zone < 0 ? text : text.slice(0, zone),
    family: 'ipv6',
  });
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  return mapped?.[1] ?? address;
}
