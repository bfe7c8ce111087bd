import type { Policy } from '../core/policy.ts';

interface Joined {
  readonly builtIn: readonly Policy[];
  readonly own: readonly Policy[];
  readonly all: readonly Policy[];
}

let last: Joined | undefined;

/**
 * Makes one list of the policies that are built in and those of one's own, which some of the former can make use of. It is the
 * list of the last time where it would be equal, so that what was made for that list serves again.
 */
export function joinPolicies(builtIn: readonly Policy[], own: readonly Policy[]): readonly Policy[] {
  if (own.length === 0) return builtIn;
  if (last?.builtIn === builtIn && isSame(last.own, own)) return last.all;
  const all = [...builtIn.map((policy) => policy.including?.(own) ?? policy), ...own];
  last = { builtIn, own, all };
  return all;
}

function isSame(one: readonly Policy[], other: readonly Policy[]): boolean {
  return one.length === other.length && one.every((policy, i) => policy === other[i]);
}
