import { z } from 'zod';
import { duration, wholeNumber } from '../config/schema/scalars.ts';
import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import { isPromise } from '../core/is-promise.ts';
import { definePolicy, type PolicyInstance } from '../core/policy.ts';
import { ConcurrencyGate } from '../limits/concurrency-gate.ts';
import { nameLimit } from '../limits/limit-instance.ts';
import { compileLimitKey } from '../limits/limit-key.ts';
import { limitKeys } from './rate-limit/limit-options.ts';

const NAME = 'concurrency';
const TOO_MANY = new GatewayError('GW_CONCURRENCY_LIMIT');

/** Bounds how many requests are under way at a time: what a slow service can stand, whatever the rate. */
export const concurrency = definePolicy({
  name: NAME,
  summary: 'Rejects requests with 503 while too many are under way.',
  options: z.strictObject({
    limit: wholeNumber(1).describe('Requests under way at a time; more are answered 503.'),
    key: limitKeys()
      .optional()
      .describe('Who is counted, as for `rate-limit`; left out: all requests together.'),
    maxQueued: wholeNumber(0)
      .prefault(0)
      .describe('Requests that may wait for their turn, of one key; first come, first served.'),
    maxWait: duration().prefault('1s').describe('How long they may wait.'),
  }),
  refuses: true,
  maxWaitMs: 0,
  create({ limit, key, maxQueued, maxWait }, services, place) {
    const settings = { limit, maxQueued, maxWaitMs: maxWait };
    const keyOf = key === undefined ? () => '' : compileLimitKey(key);
    // Not by the limit: a reload that changes it must not forget who is under way.
    const kept = `concurrency ${JSON.stringify([nameLimit(NAME, place), key])}`;
    const { value: gate, release } = services.keep(kept, () => new ConcurrencyGate(services.clock));
    const report = (isAdmitted: boolean): GatewayError | undefined => (isAdmitted ? undefined : TOO_MANY);
    const onFinish = (exchange: Exchange): void => gate.leave(exchange);
    const observing: PolicyInstance = {
      onRequest: (exchange) => report(gate.observe(exchange, keyOf(exchange), settings)),
      onFinish,
    };
    return {
      onRequest(exchange) {
        const isAdmitted = gate.enter(exchange, keyOf(exchange), settings);
        return isPromise(isAdmitted) ? isAdmitted.then(report) : report(isAdmitted);
      },
      onFinish,
      // Only here it is told which of its uses observe.
      join: (uses) => uses.map(({ instance, isObserved }) => (isObserved ? observing : instance)),
      close: release,
    };
  },
});
