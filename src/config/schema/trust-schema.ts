import { z } from 'zod';
import { isClaimedField, isOverrideField } from '../../core/fields/claimed-fields.ts';
import { addressRange, headerName } from './scalars.ts';

/**
 * What load balancers write without being told to. `X-Forwarded-Host` is not among it: most pass on what their client
 * says there.
 */
const USUALLY_WRITTEN = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-port'];

/** Makes the schema of `trustedProxies`: a list of addresses, or a map that also says what the proxies write. */
export function trustedProxiesSchema() {
  const addresses = () => z.array(addressRange());
  const full = z.strictObject({
    addresses: addresses().describe('Addresses that the proxies connect from.'),
    writes: z
      .array(fieldOf(isClaimedField, CLAIMED_ERROR))
      .prefault(USUALLY_WRITTEN)
      .describe(
        'Fields that they set themselves on every request, over what their client sent. Only these are believed, and all others of the kind are dropped.',
      ),
  });
  return z
    .union([addresses().transform((list) => ({ addresses: list, writes: [...USUALLY_WRITTEN] })), full])
    .prefault([])
    .describe(
      "Proxies in front that are believed about the client's address, scheme and port; none by default. The list is short for `{ addresses }`.",
    );
}

/** Makes the schema of `allowOverrides`. */
export function allowOverridesSchema() {
  return z
    .array(fieldOf(isOverrideField, OVERRIDE_ERROR))
    .prefault([])
    .describe(
      'Fields such as `x-http-method-override` that everybody may send. Routes and policies still go by method and path of the request itself.',
    );
}

const CLAIMED_ERROR =
  'is not a field by which proxies say how a request came — write one such as x-forwarded-host, x-real-ip or x-ssl-client-cert';
const OVERRIDE_ERROR =
  'is not a field that is dropped for taking another method or path — write one such as x-http-method-override or x-original-url';

function fieldOf(isMeant: (name: string) => boolean, message: string) {
  return headerName()
    .check(({ value, issues }) => {
      if (!isMeant(value)) issues.push({ code: 'custom', message, input: value });
    })
    .transform((name) => name.toLowerCase());
}
