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
      webhooks: z
        .array(webhookOrigin())
        .prefault([])
        .describe(
          'Origins such as `https://partner.example.com` to which results may be delivered, where a request has `Prefer: respond-async, callback; url="…"`.',
        ),
      webhookSecret: z
        .string()
        .regex(/^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/, {
          error: 'is not a secret of Standard Webhooks — write whsec_ and 24 to 64 random bytes in base64',
        })
        .optional()
        .describe(
          'Signs deliveries (Standard Webhooks); left out: made once and kept in `dataDir`. Several gateways need the same.',
        ),
      privateWebhooks: z
        .boolean()
        .prefault(false)
        .describe('Whether webhooks may have addresses that are not public.'),
    })
    .prefault({})
    .describe('What policies `respond-async` share; they need `redis`.');
}

function webhookOrigin() {
  return z.string().refine(
    (text) => {
      if (!/^https?:\/\//.test(text) || !URL.canParse(text)) return false;
      const { origin, username } = new URL(text);
      return username === '' && (text === origin || text === `${origin}/`);
    },
    { error: 'is not an origin — write it like https://partner.example.com' },
  );
}
