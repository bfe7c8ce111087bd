import { z } from 'zod';
import { period, wholeNumber } from './scalars.ts';

/** Makes the schema of `respondAsync`, what policies `respond-async` share. */
export function asyncSchema() {
  return z
    .strictObject({
      results: period(1000)
        .prefault('1h')
        .describe('How long the result of a request that ran later can be fetched.'),
      concurrency: wholeNumber(1)
        .prefault(16)
        .describe('How many such requests one process runs at a time; the others wait.'),
    })
    .prefault({})
    .describe('What policies `respond-async` share; they need `redis`.');
}
