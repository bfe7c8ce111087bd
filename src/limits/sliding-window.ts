import { LARGEST, type LimitCounting } from './limit-state.ts';

/**
 * Counts what came within the last window, taking the requests of the window before the present one as if they had come
 * evenly: as many of them count as that window still overlaps. Two counters instead of one time stamp a request.
 */
export const slidingWindow: LimitCounting = {
  age(state, { windowMs }, now) {
    if (state === undefined || now >= state.at + 2 * windowMs) return { at: now, used: 0, former: 0 };
    if (now < state.at + windowMs) return state;
    return { at: state.at + windowMs, used: 0, former: state.used };
  },
  add({ at, used, former }, _rule, cost) {
    return { at, used: Math.min(LARGEST, Math.max(0, used + cost)), former };
  },
  waitMs({ at, used, former }, { limit, windowMs }, cost, now) {
    const passed = Math.max(0, now - at);
    const room = (limit - used - cost) * windowMs;
    if (former * (windowMs - passed) <= room) return 0;
    // Within the present window, as the one before goes out of sight.
    if (room >= 0) return Math.max(1, windowMs - Math.floor(room / former) - passed);
    // Within the next one, as this one does.
    const later = Math.max(0, limit - cost) * windowMs;
    const gone = used === 0 ? windowMs : Math.min(windowMs, Math.floor(later / used));
    return Math.max(1, 2 * windowMs - gone - passed);
  },
  remaining({ at, used, former }, { limit, windowMs }, now) {
    const passed = Math.max(0, now - at);
    return Math.max(0, Math.floor(((limit - used) * windowMs - former * (windowMs - passed)) / windowMs));
  },
  resetMs({ at, used, former }, { windowMs }, now) {
    if (used > 0) return at + 2 * windowMs - now;
    return former > 0 ? at + windowMs - now : 0;
  },
};
