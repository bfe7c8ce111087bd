import { z } from 'zod';
import { size } from '../config/schema/scalars.ts';
import { GatewayError } from '../core/errors.ts';
import { guardBody } from '../core/pipeline/guard-body.ts';
import { definePolicy } from '../core/policy.ts';

const TOO_LARGE = new GatewayError('GW_BODY_TOO_LARGE');

/** Bounds the request body: by `Content-Length` before a byte is forwarded, else while it streams. */
export const bodyLimit = definePolicy({
  name: 'body-limit',
  summary: 'Rejects request bodies above a size with 413.',
  options: z.strictObject({
    max: size().prefault('1MiB').describe('Largest request body taken; a larger one is answered 413.'),
  }),
  combination: 'replace',
  refuses: true,
  create: ({ max }) => ({
    onRequest(exchange) {
      const { length } = exchange.body;
      if (length !== undefined) return length > max ? TOO_LARGE : undefined;
      let bytes = 0;
      exchange.body = guardBody(exchange.body, (chunk) => {
        bytes += chunk;
        return bytes > max ? TOO_LARGE : undefined;
      });
      return undefined;
    },
  }),
});
