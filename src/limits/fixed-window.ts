import type { LimitPeriod, LimitRule } from '../core/stores/limit-store.ts';
import { LARGEST, type LimitCounting, type LimitState } from './limit-state.ts';

/**
 * Counts within a window and forgets all at its end. The window begins with the first request in it, so that the windows
 * of all clients do not end at once; that of a quota is the period of the calendar.
 */
export const fixedWindow: LimitCounting = {
  age(state, { windowMs }, now, period) {
    if (period !== undefined) {
      // Of two gateways the one whose clock is behind counts in the period that the other has begun.
      return state !== undefined && state.at >= period.startsAt ? state : begin(period.startsAt);
    }
    return state !== undefined && now < state.at + windowMs ? state : begin(now);
  },
  add({ at, used }, _rule, cost) {
    return { at, used: Math.min(LARGEST, Math.max(0, used + cost)), former: 0 };
  },
  waitMs(state, rule, cost, now, period) {
    return state.used + cost <= rule.limit ? 0 : Math.max(1, endOf(state, rule, period) - now);
  },
  remaining({ used }, { limit }) {
    return Math.max(0, limit - used);
  },
  resetMs(state, rule, now, period) {
    return state.used === 0 ? 0 : Math.max(1, endOf(state, rule, period) - now);
  },
};

function begin(at: number): LimitState {
  return { at, used: 0, former: 0 };
}

function endOf({ at }: LimitState, { windowMs }: LimitRule, period: LimitPeriod | undefined): number {
  return period === undefined ? at + windowMs : period.endsAt;
}
