import { z } from 'zod';
import { text } from '../config/schema/scalars.ts';
import { definePolicy } from '../core/policy.ts';
import { applyQuota } from '../limits/applied-limit.ts';
import { Calendar } from '../limits/calendar.ts';
import { LimitInstance, nameLimit } from '../limits/limit-instance.ts';
import { compileLimitKey, limitKeyFor } from '../limits/limit-key.ts';
import { LimitUse } from '../limits/limit-use.ts';
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
} from './rate-limit/limit-options.ts';

const NAME = 'quota';
const MOST = 1_000_000_000_000;

function units() {
  const error = `is not a whole number from 1 to ${MOST} — write one`;
  return z.int({ error }).min(1, { error }).max(MOST, { error });
}

function ownQuota() {
  return z.strictObject({ limit: units().describe('Units in a period.') });
}

const options = z
  .strictObject({
    limit: units().describe('Units in a period. A request is one unit unless `cost` says otherwise.'),
    period: z
      .enum(['day', 'week', 'month'], { error: 'is not a period — write day, week or month' })
      .describe('What the quota is for: a `day`, a `week` from Monday on, or a `month` of the calendar.'),
    timeZone: z
      .string()
      .refine(isTimeZone, { error: 'is not a time zone — write a name such as Europe/Berlin or UTC' })
      .prefault('UTC')
      .describe('Where days begin, such as `Europe/Berlin`.'),
    key: limitKeys()
      .prefault('subject')
      .describe('Who is counted, as for `rate-limit`. What a request lacks falls back to `ip`.'),
    cost: limitCost().prefault(1).describe('Units of a request, as for `rate-limit`.'),
    plans: z
      .record(text(), ownQuota())
      .prefault({})
      .describe('Quotas by the plan of the API key, or that in `planClaim`.'),
    planClaim: text()
      .optional()
      .describe('Claim that names the plan; left out, or not there: the plan of the API key.'),
    overrides: z.record(text(), ownQuota()).prefault({}).describe('Quotas of single keys, by their value.'),
    allow: limitAllowList().optional().describe('Who has no quota.'),
    legacyHeaders: z.boolean().prefault(false).describe('Sends `X-RateLimit-*` too.'),
  })
  .check(({ value, issues }) => {
    const message = findOverridesFault(value);
    if (message !== undefined) issues.push({ code: 'custom', message, path: ['overrides'], input: value });
    for (const [path, { limit }] of limitsOf<{ readonly limit: number }>(value)) {
      const costFault = findCostFault(value.cost, limit);
      if (costFault === undefined) continue;
      issues.push({ code: 'custom', message: costFault, path: [...path, 'limit'], input: value });
    }
  });

/** Gives each client so many units a day, week or month. */
export const quota = definePolicy({
  name: NAME,
  summary: 'Gives each client so many units a day, week or month; more is answered 429.',
  options,
  refuses: true,
  maxWaitMs: 0,
  create(written, services, place) {
    const name = nameLimit(NAME, place);
    const calendar = new Calendar(written.period, written.timeZone);
    const apply = ({ limit }: { limit: number }) => applyQuota(name, limit, calendar);
    return new LimitInstance(
      new LimitUse({
        name,
        code: 'GW_QUOTA_EXCEEDED',
        clock: services.clock,
        keyOf: compileLimitKey(written.key),
        keyFor: (values) => limitKeyFor(written.key, values),
        isExempt: compileAllowList(written.allow),
        limitFor: compileChoice(written, apply(written), apply),
        ...compileCost(written.cost),
        legacyHeaders: written.legacyHeaders,
        mayWait: false,
      }),
      services,
    );
  },
});

function isTimeZone(name: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat('en-US', { timeZone: name }));
  } catch {
    return false;
  }
}
