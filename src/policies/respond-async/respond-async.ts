import { definePolicy } from '../../core/policy.ts';
import { AsyncInstance } from './async-instance.ts';
import { asyncOptions } from './async-options.ts';

/** Answers 202 at once, and has the request run later. */
export const respondAsync = definePolicy({
  name: 'respond-async',
  summary:
    'Answers 202 with the place of a status resource, and has the request run later, at least once, with retries.',
  options: asyncOptions(),
  combination: 'replace',
  // What it waits for has limits of its own.
  maxWaitMs: 0,
  create(options, { jobs, clock, bufferBody }) {
    if (jobs === undefined || bufferBody === undefined)
      throw new TypeError('respond-async needs a Redis — set redis: { url: … }');
    return new AsyncInstance({ options, jobs, clock, bufferBody });
  },
});
