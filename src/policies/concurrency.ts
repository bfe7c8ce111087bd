import { z } from 'zod';
import { wholeNumber } from '../config/scalars.ts';
import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import { definePolicy } from '../core/policy.ts';

const TOO_MANY = new GatewayError('GW_CONCURRENCY_LIMIT');

/** Bounds how many requests are under way at a time: what a slow service can stand, whatever the rate. */
export const concurrency = definePolicy({
  name: 'concurrency',
  summary: 'Refuses requests with 503 while too many are under way.',
  options: z.strictObject({
    limit: wholeNumber(1).describe('Requests under way at a time; more are answered 503.'),
  }),
  refuses: true,
  create({ limit }) {
    const underWay = new Set<Exchange>();
    return {
      onRequest(exchange) {
        if (underWay.size >= limit) return TOO_MANY;
        underWay.add(exchange);
        return undefined;
      },
      onFinish(exchange) {
        underWay.delete(exchange);
      },
    };
  },
});
