import type { StoredResponse } from '../core/stores/cache-store.ts';
import type { Directives } from './directives.ts';

/** What may be done with a stored response. */
export type Reuse =
  /** It answers. */
  | 'fresh'
  /** It answers, and is refreshed behind that (RFC 5861 §3). */
  | 'stale-while-revalidate'
  /** The upstream must be asked first. */
  | 'validate';

/** A stored response as far as its age is concerned. */
export type Aged = Pick<StoredResponse, 'rules' | 'responseTime' | 'staleSince'>;

/** Gives the age of a stored response in milliseconds (RFC 9111 §4.2.3). A clock that was put back makes it no younger than it came. */
export function ageOf({ rules, responseTime }: Aged, now: number): number {
  return rules.initialAgeMs + Math.max(0, now - responseTime);
}

/** Gives for how long a stored response is still fresh, in milliseconds; negative where it is stale. */
export function freshnessLeft(stored: Aged, now: number): number {
  const left = stored.rules.lifetimeMs - ageOf(stored, now);
  return stored.staleSince === undefined ? left : Math.min(left, stored.staleSince - now, -1);
}

/** Decides how a stored response may answer. `asked` are the client's directives, where they are to be obeyed. */
export function judgeReuse(stored: Aged, now: number, asked: Directives): Reuse {
  const { rules } = stored;
  if (rules.alwaysValidate || asked.noCache !== false) return 'validate';
  if (asked.maxAge !== undefined && ageOf(stored, now) >= asked.maxAge * 1000 + allowedStale(asked)) {
    return 'validate';
  }
  const left = freshnessLeft(stored, now);
  if (left > (asked.minFresh ?? 0) * 1000) return 'fresh';
  if (asked.minFresh !== undefined || rules.neverStale) return 'validate';
  if (asked.maxStale !== undefined && -left <= asked.maxStale * 1000) return 'fresh';
  return left <= 0 && -left < rules.staleWhileRevalidateMs ? 'stale-while-revalidate' : 'validate';
}

/** Whether a stored response may stand in for a response that failed (RFC 5861 §4). */
export function maySubstitute(stored: Aged, now: number): boolean {
  const { rules } = stored;
  if (rules.neverStale || rules.alwaysValidate) return false;
  return -freshnessLeft(stored, now) <= rules.staleIfErrorMs;
}

function allowedStale({ maxStale }: Directives): number {
  return (maxStale ?? 0) * 1000;
}
