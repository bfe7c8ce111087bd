import { z } from 'zod';
import { period, size } from '../../config/schema/scalars.ts';

export type IdempotencyOptions = z.output<ReturnType<typeof idempotencyOptions>>;

/** Makes the schema of the policy `idempotency-key`. */
export function idempotencyOptions() {
  return z.strictObject({
    ttl: period(1000)
      .prefault('24h')
      .describe('How long a key belongs to its request, and the response is replayed.'),
    required: z
      .boolean()
      .prefault(false)
      .describe('Whether a POST or PATCH without a key is answered 400; left out: it passes, unprotected.'),
    maxBody: size()
      .prefault('1MiB')
      .describe('Largest request body, which is read whole and compared; a larger one is answered 413.'),
    maxResponse: size()
      .prefault('1MiB')
      .describe(
        'Largest response body that is stored. A larger one reaches the first client; repeats are answered 409, and do not run again.',
      ),
  });
}
