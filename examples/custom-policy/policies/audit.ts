import { definePolicy } from 'sallyport';
import { z } from 'zod';

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Refuses changes without a reason, and logs who changed what. */
export default definePolicy({
  name: 'acme/audit',
  summary: 'Wants a reason for every change, and logs it.',
  options: z.strictObject({
    reasonHeader: z.string().default('x-change-reason').describe('Header field that carries the reason.'),
  }),
  refuses: true, // so that it can run with `observe: true` first

  // Runs once for each use in the configuration: do here what need not be done for each request.
  create: ({ reasonHeader }, { log }) => ({
    onRequest(exchange) {
      if (READS.has(exchange.request.method) || exchange.headers.has(reasonHeader)) return undefined;
      const body = JSON.stringify({ error: `a change needs a reason in ${reasonHeader}` });
      return { status: 400, headers: { 'content-type': 'application/json' }, body };
    },

    onFinish(exchange) {
      if (READS.has(exchange.request.method)) return;
      const { requestId, clientAddress, path, status } = exchange;
      const reason = exchange.headers.get(reasonHeader);
      log.info({ requestId, clientAddress, method: exchange.request.method, path, status, reason }, 'change');
    },
  }),
});
