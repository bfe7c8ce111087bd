import { z } from 'zod';
import { size, timeLimit, wholeNumber } from './scalars.ts';

/** Makes the schema of `batch`: a route whose requests hold several others. */
export function batchSchema() {
  return z.strictObject({
    max: wholeNumber(1)
      .max(1000, { error: 'is more than 1,000 — split such batches' })
      .prefault(20)
      .describe('How many requests a batch may have.'),
    concurrency: wholeNumber(1).prefault(4).describe('How many of them run at once.'),
    timeout: timeLimit()
      .prefault('30s')
      .describe('Time for all of them. What is not done then is answered 504, in the response of the batch.'),
    maxBody: size().prefault('1MiB').describe('How large a batch may be.'),
    maxResponse: size()
      .prefault('8MiB')
      .describe('How large the bodies of the responses may be together. The one that passes it is 502.'),
  });
}
