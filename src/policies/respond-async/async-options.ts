import { z } from 'zod';
import { size, wholeNumber } from '../../config/schema/scalars.ts';

export type AsyncOptions = z.output<ReturnType<typeof asyncOptions>>;

/** Makes the schema of the policy `respond-async`. */
export function asyncOptions() {
  return z.strictObject({
    when: z
      .enum(['prefer', 'always'], { error: 'is not known — write prefer or always' })
      .prefault('prefer')
      .describe(
        'Which requests run later: `prefer`: those with `Prefer: respond-async` (RFC 7240); `always`: all.',
      ),
    retries: wholeNumber()
      .refine((count) => count <= 20, { error: 'is too many — write at most 20' })
      .prefault(3)
      .describe(
        'Attempts after the first one, with growing pauses, where the service cannot be reached or answers 502, 503 or 504.',
      ),
    maxBody: size()
      .prefault('1MiB')
      .describe('Largest request body that is stored; a larger one is answered 413.'),
    maxResult: size()
      .prefault('1MiB')
      .describe('Largest response body that is stored; a larger one becomes a 502 `GW_RESULT_TOO_LARGE`.'),
  });
}
