import { isIP } from 'node:net';
import { z } from 'zod';
import { addressRange } from '../config/schema/scalars.ts';
import { AddressBlocks, plainAddress } from '../core/address-blocks.ts';
import { GatewayError } from '../core/errors.ts';
import { definePolicy } from '../core/policy.ts';

const DENIED = new GatewayError('GW_IP_DENIED');

/** Lets requests in by the client's address, as `trustedProxies` say it. */
export const ipFilter = definePolicy({
  name: 'ip-filter',
  summary: "Rejects requests by the client's address with 403.",
  options: z
    .strictObject({
      allow: z
        .array(addressRange())
        .min(1, { error: 'is empty — name an address, or leave `allow` out for all' })
        .optional()
        .describe('Allowed addresses and ranges, such as `10.0.0.0/8`; left out: all.'),
      deny: z
        .array(addressRange())
        .prefault([])
        .describe('Addresses and ranges rejected, also where `allow` names them.'),
    })
    .refine(({ allow, deny }) => allow !== undefined || deny.length > 0, {
      error: 'filters nothing — name addresses in allow or deny',
    }),
  refuses: true,
  create({ allow, deny }) {
    const allowed = allow && new AddressBlocks(allow);
    const denied = new AddressBlocks(deny);
    return {
      onRequest({ clientAddress }) {
        const address = plainAddress(clientAddress);
        // What is not an address may stand for one that is denied.
        if (isIP(address) === 0 || denied.has(address)) return DENIED;
        return allowed === undefined || allowed.has(address) ? undefined : DENIED;
      },
    };
  },
});
