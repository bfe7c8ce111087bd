import { z } from 'zod';
import { size } from './scalars.ts';

/** Less holds nothing worth the name. */
const LEAST_BYTES = 1024 * 1024;

/** Makes the schema of `cache`, the store that policies `cache` share. */
export function cacheSchema() {
  return z.strictObject({
    memory: size()
      .prefault('256MiB')
      .refine((bytes) => bytes >= LEAST_BYTES, {
        error: 'is too little — write at least 1MiB, or take the policies `cache` out',
      })
      .describe('Memory of each process that stored responses may take, bookkeeping included.'),
    redis: z
      .boolean()
      .prefault(false)
      .describe('Whether gateways share by `redis` what they store, what is purged, and who fetches.'),
  });
}
