import { freshnessLeft } from '../../cache/reuse.ts';
import type { StoredResponse } from '../../core/stores/cache-store.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** Nothing is kept longer, however long it says that it is fresh. */
const LONGEST_MS = 30 * DAY_MS;

/**
 * Gives how long it is worth to keep a response for others, in milliseconds: while it may be used, and as long again, at least
 * a minute and at most a day, where it can be validated then.
 */
export function retentionMs(response: StoredResponse, now: number): number {
  const { headers, rules } = response;
  const left = Math.max(0, freshnessLeft(response, now));
  const usable = left + Math.max(rules.staleWhileRevalidateMs, rules.staleIfErrorMs);
  const hasValidator = headers.has('etag') || headers.has('last-modified');
  const validated = hasValidator ? Math.min(Math.max(rules.lifetimeMs, MINUTE_MS), DAY_MS) : 0;
  return Math.min(usable + validated, LONGEST_MS);
}
