import { z } from 'zod';
import { duration, text, wholeNumber } from '../../config/schema/scalars.ts';
import { definePolicy } from '../../core/policy.ts';
import type { LimitRule } from '../../core/stores/limit-store.ts';
import { type AppliedLimit, applyRule } from '../../limits/applied-limit.ts';
import { LimitInstance, nameLimit } from '../../limits/limit-instance.ts';
import { compileLimitKey, limitKeyFor } from '../../limits/limit-key.ts';
import { LimitUse } from '../../limits/limit-use.ts';
import {
  compileAllowList,
  compileChoice,
  compileCost,
  findCostFault,
  findOverridesFault,
  limitAllowList,
  limitCost,
  limitKeys,
  limitsOf,
} from './limit-options.ts';

const NAME = 'rate-limit';

/** A limit in place of the one for all; what it leaves out is as there. */
function ownLimit() {
  return z.strictObject({
    limit: wholeNumber(1).describe('Units in a window.'),
    window: positiveDuration().optional().describe('The window; left out: that for all.'),
    burst: wholeNumber(1).optional().describe('Units that may come at once; left out: `limit`.'),
  });
}

function positiveDuration() {
  return duration().refine((ms) => ms >= 1, { error: 'is not a time — write at least 1ms' });
}

const options = z
  .strictObject({
    limit: wholeNumber(1).describe('Units in a window. A request is one unit unless `cost` says otherwise.'),
    window: positiveDuration().describe('The window, such as `1s`, `1m` or `1h`.'),
    burst: wholeNumber(1)
      .optional()
      .describe(
        'Units that a bucket lets through at once; left out: `limit`, and 1 where requests are made to wait.',
      ),
    algorithm: z
      .enum(['token-bucket', 'leaky-bucket', 'fixed-window', 'sliding-window'], {
        error: 'is not an algorithm — write token-bucket, leaky-bucket, fixed-window or sliding-window',
      })
      .prefault('token-bucket')
      .describe('How it counts.'),
    maxDelay: duration()
      .prefault('0s')
      .describe(
        '`leaky-bucket` only: requests beyond the rate wait up to this long instead of being rejected.',
      ),
    key: limitKeys()
      .prefault('ip')
      .describe(
        'Who is counted: `ip`, `subject`, `api-key`, `route`, `header:<name>`, `cookie:<name>`, `claim:<name>`, `param:<name>`, or a list of them. What a request lacks falls back to `ip`.',
      ),
    cost: limitCost()
      .prefault(1)
      .describe(
        'Units of a request: a number, `header:<name>` of the request, or, known afterwards, `response-header:<name>` or `response-json:<path>` such as `response-json:usage.total_tokens`.',
      ),
    plans: z
      .record(text(), ownLimit())
      .prefault({})
      .describe('Limits by the plan of the API key, or that in `planClaim`.'),
    planClaim: text()
      .optional()
      .describe('Claim that names the plan; left out, or not there: the plan of the API key.'),
    overrides: z.record(text(), ownLimit()).prefault({}).describe('Limits of single keys, by their value.'),
    allow: limitAllowList().optional().describe('Who is not limited.'),
    legacyHeaders: z.boolean().prefault(false).describe('Sends `X-RateLimit-*` too.'),
  })
  .check(({ value, issues }) => {
    const reject = (message: string, path: PropertyKey[]): void =>
      void issues.push({ code: 'custom', message, path, input: value });
    if (value.maxDelay > 0 && value.algorithm !== 'leaky-bucket')
      reject('is for leaky-bucket only — take it out, or write algorithm: leaky-bucket', ['maxDelay']);
    const fault = findOverridesFault(value);
    if (fault !== undefined) reject(fault, ['overrides']);
    const isBucket = !value.algorithm.endsWith('-window');
    for (const [path, own] of limitsOf<OwnLimit>(value)) {
      if (own.burst !== undefined && !isBucket)
        reject('is for buckets only — take it out', [...path, 'burst']);
      const rule = ruleOf(value, own);
      // Where requests wait, more than a burst may pass.
      const costFault =
        value.maxDelay > 0 ? undefined : findCostFault(value.cost, isBucket ? rule.burst : rule.limit);
      if (costFault !== undefined)
        reject(costFault, [...path, isBucket && own.burst !== undefined ? 'burst' : 'limit']);
      if (!isCountable(rule))
        reject('is too much for such a long window — write a quota', [...path, 'limit']);
    }
  });

type Options = z.output<typeof options>;
type OwnLimit = Pick<Options, 'limit' | 'burst'> & { window?: number | undefined };

/** Limits how often a client may ask. */
export const rateLimit = definePolicy({
  name: NAME,
  summary: 'Limits how often a client may ask; more is answered 429.',
  options,
  refuses: true,
  maxWaitMs: 0,
  create(written, services, place) {
    const name = nameLimit(NAME, place);
    const apply = (own: OwnLimit): AppliedLimit => applyRule(name, ruleOf(written, own));
    return new LimitInstance(
      new LimitUse({
        name,
        code: 'GW_RATE_LIMITED',
        clock: services.clock,
        keyOf: compileLimitKey(written.key),
        keyFor: (values) => limitKeyFor(written.key, values),
        isExempt: compileAllowList(written.allow),
        limitFor: compileChoice(written, apply(written), apply),
        ...compileCost(written.cost),
        legacyHeaders: written.legacyHeaders,
        mayWait: written.maxDelay > 0,
      }),
      services,
    );
  },
});

function ruleOf({ algorithm, window, maxDelay }: Options, own: OwnLimit): LimitRule {
  const { limit } = own;
  return {
    algorithm,
    limit,
    windowMs: own.window ?? window,
    burst: own.burst ?? (maxDelay > 0 ? 1 : limit),
    maxDelayMs: maxDelay,
  };
}

/** Whether all arithmetic stays within whole numbers. */
function isCountable({ limit, windowMs, burst, maxDelayMs }: LimitRule): boolean {
  return (Math.max(burst, limit) + 1) * windowMs + maxDelayMs * limit <= Number.MAX_SAFE_INTEGER;
}
