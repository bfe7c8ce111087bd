import type { HeaderList } from '../core/header-list.ts';
import type { LimitStanding } from '../core/stores/limit-store.ts';
import { type LimitTally, remainingOf } from './limit-tally.ts';
import type { PreparedCharge } from './limit-use.ts';

/**
 * Puts `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers) on a response, for all limits that the
 * exchange has met, beside what the upstream says of limits of its own. Of those only observed the client is told nothing.
 */
export function sendStandings(latest: LimitTally, headers: HeaderList): void {
  let policies = '';
  let items = '';
  let least = Number.POSITIVE_INFINITY;
  let sendLegacy: (() => void) | undefined;
  for (let tally: LimitTally | undefined = latest; tally !== undefined; tally = tally.before) {
    // From the last to the first, so that the order is that in which they were met.
    for (let i = tally.standings.length - 1; i >= 0; i--) {
      const { use, applied, charge } = tally.prepared[i] as PreparedCharge;
      if (charge.isObserved) continue;
      const standing = tally.standings[i] as LimitStanding;
      const remaining = remainingOf(tally, i);
      const separator = items === '' ? '' : ', ';
      policies = applied.policyItem(charge.period) + separator + policies;
      items = use.standingItem(remaining, standing.resetMs) + separator + items;
      if (!use.legacyHeaders || remaining >= least) continue;
      least = remaining;
      sendLegacy = () => {
        headers.set('x-ratelimit-limit', String(charge.rule.limit));
        headers.set('x-ratelimit-remaining', String(remaining));
        headers.set('x-ratelimit-reset', String(use.resetsAt(standing)));
      };
    }
  }
  if (items === '') return;
  headers.appendTrusted('ratelimit-policy', policies);
  headers.appendTrusted('ratelimit', items);
  sendLegacy?.();
}
