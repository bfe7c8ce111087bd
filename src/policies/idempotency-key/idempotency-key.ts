import { BufferBudget } from '../../core/buffer-budget.ts';
import { definePolicy } from '../../core/policy.ts';
import { createIdempotencyCounts } from './idempotency-counts.ts';
import { IdempotencyInstance } from './idempotency-instance.ts';
import { idempotencyOptions } from './idempotency-options.ts';

/** Has a request with an idempotency key run once, and replays its response. */
export const idempotencyKey = definePolicy({
  name: 'idempotency-key',
  summary:
    'Runs a POST or PATCH with an `Idempotency-Key` once, and answers its repetitions with the stored response.',
  options: idempotencyOptions(),
  combination: 'replace',
  // What it waits for has limits of its own.
  maxWaitMs: 0,
  create(options, { idempotency: store, clock, log, metrics, keep, bufferBody }) {
    if (store === undefined || bufferBody === undefined)
      throw new TypeError('there is no store for idempotency keys here');
    const budget = keep('responses read for idempotency keys', () => new BufferBudget(64 * 1024 * 1024));
    return new IdempotencyInstance({
      options,
      store,
      clock,
      log,
      countsOf: createIdempotencyCounts(metrics),
      bufferBody,
      budget: budget.value,
      close: () => budget.release(),
    });
  },
});
