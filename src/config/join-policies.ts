import type { Policy } from '../core/policy.ts';

/** Makes one list of the policies that are built in and those of one's own, which some of the former can make use of. */
export function joinPolicies(builtIn: readonly Policy[], own: readonly Policy[]): readonly Policy[] {
  return own.length === 0 ? builtIn : [...builtIn.map((policy) => policy.including?.(own) ?? policy), ...own];
}
