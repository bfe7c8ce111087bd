import type { LimitAlgorithm, LimitPeriod, LimitRule } from '../core/stores/limit-store.ts';
import type { Calendar } from './calendar.ts';

/** A rule under the name of a limit, with what is said about it to clients. */
export interface AppliedLimit {
  /** Whose counters these are; what they cannot be continued under is part of it. */
  readonly limit: string;
  readonly rule: LimitRule;
  readonly calendar: Calendar | undefined;
  /** Its item of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers). */
  policyItem(period: LimitPeriod | undefined): string;
}

const TAGS: Readonly<Record<LimitAlgorithm, string>> = {
  'token-bucket': 'tb',
  'leaky-bucket': 'lb',
  'fixed-window': 'fw',
  'sliding-window': 'sw',
};

/**
 * Puts a rule under a name. Counters go on when limit or burst change, and begin anew when algorithm or window do, since
 * what they hold then means something else.
 */
export function applyRule(name: string, rule: LimitRule): AppliedLimit {
  const item = `${quoteName(name)};q=${rule.limit};w=${Math.max(1, Math.round(rule.windowMs / 1000))}`;
  return {
    limit: `${name} ${TAGS[rule.algorithm]}${rule.windowMs}`,
    rule,
    calendar: undefined,
    policyItem: () => item,
  };
}

/** Puts a quota of the calendar under a name. */
export function applyQuota(name: string, limit: number, calendar: Calendar): AppliedLimit {
  const { unit, timeZone } = calendar;
  const quoted = quoteName(name);
  let item = '';
  let itemOf = 0;
  return {
    limit: `${name} ${unit} ${timeZone}`,
    rule: { algorithm: 'fixed-window', limit, windowMs: NOMINAL_MS[unit], burst: limit, maxDelayMs: 0 },
    calendar,
    policyItem(period) {
      const { startsAt, endsAt } = period as LimitPeriod;
      if (startsAt !== itemOf) item = `${quoted};q=${limit};w=${Math.round((endsAt - startsAt) / 1000)}`;
      itemOf = startsAt;
      return item;
    },
  };
}

const NOMINAL_MS = { day: 86_400_000, week: 7 * 86_400_000, month: 30 * 86_400_000 } as const;

/** Writes a name as a String of structured fields (RFC 9651 §3.3.3), which holds only visible ASCII. */
export function quoteName(name: string): string {
  return `"${name.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`;
}
