import { z } from 'zod';

/** Takes what `WWW-Authenticate` names. */
export function realm() {
  return z
    .string()
    .regex(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/, {
      error: 'is not a realm — write ASCII text without quotes and backslashes',
    })
    .prefault('api')
    .describe('Name of what is protected, in `WWW-Authenticate`.');
}
