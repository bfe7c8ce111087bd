import { z } from 'zod';
import { size } from './scalars.ts';

/** Less holds a few thousand keys. */
const LEAST_BYTES = 1024 * 1024;

/** Makes the schema of `idempotencyKey`, what policies `idempotency-key` share. */
export function idempotencySchema() {
  return z
    .strictObject({
      memory: size()
        .prefault('64MiB')
        .refine((bytes) => bytes >= LEAST_BYTES, { error: 'is too little — write at least 1MiB' })
        .describe(
          'Memory that keys and stored responses may take, in one process for all workers; with `redis` they are kept there.',
        ),
    })
    .prefault({})
    .describe('Where policies `idempotency-key` note keys and responses.');
}
