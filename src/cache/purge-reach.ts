import type { PurgeReach } from '../core/stores/cache-store.ts';

/** Where a purge that nobody else has to hear of holds. */
export const HERE: PurgeReach = { reached: 1, unreached: [] };

/** Adds up where a purge holds that several told different processes of. */
export function addReaches(reaches: readonly PurgeReach[]): PurgeReach {
  return {
    reached: reaches.reduce((sum, { reached }) => sum + reached, 0),
    unreached: [...new Set(reaches.flatMap(({ unreached }) => unreached))],
  };
}

/** Joins what two know of the same processes, of which the one may know more. */
export function joinReaches(one: PurgeReach, other: PurgeReach): PurgeReach {
  return {
    reached: Math.max(one.reached, other.reached),
    unreached: [...new Set([...one.unreached, ...other.unreached])],
  };
}
