import { LARGEST, type LimitCounting } from './limit-state.ts';

/**
 * A bucket that drains evenly: `limit` units per window leak out of it, and it holds `burst`. Seen from the other side it
 * is a token bucket, whose tokens are the room that is left.
 *
 * As a queue it takes what flows out within `maxDelayMs` on top, and a request waits until its units are within the burst.
 */
export const bucket: LimitCounting = {
  age(state, { limit }, now) {
    if (state === undefined || now <= state.at) return state ?? { at: now, used: 0, former: 0 };
    // A product above 2⁵³ is inexact, but then greater than any content.
    return { at: now, used: Math.max(0, state.used - (now - state.at) * limit), former: 0 };
  },
  add({ at, used }, { windowMs }, cost) {
    return { at, used: Math.min(LARGEST, Math.max(0, used + cost * windowMs)), former: 0 };
  },
  waitMs({ used }, { limit, windowMs, burst, maxDelayMs }, cost) {
    const over = used + cost * windowMs - burst * windowMs - maxDelayMs * limit;
    return over <= 0 ? 0 : Math.max(1, Math.ceil(Math.min(over, used) / limit));
  },
  remaining({ used }, { limit, windowMs, burst, maxDelayMs }) {
    return Math.max(0, Math.floor((burst * windowMs + maxDelayMs * limit - used) / windowMs));
  },
  resetMs({ used }, { limit }) {
    return Math.ceil(used / limit);
  },
};
