import type { Policy } from './policy.ts';

/** A use of a policy, as far as its place in the list is concerned. */
export interface PolicyUse {
  readonly policy: Pick<Policy, 'name' | 'combination' | 'position'>;
}

/**
 * Makes the one list that a route runs, of the top-level list and its own.
 *
 * 1. A `replace` policy of the route takes the place of the top-level ones of its name.
 * 2. The top-level ones come before the route's, each list in the order written.
 * 3. Those of position `first` come before all others.
 */
export function mergePolicies<Use extends PolicyUse>(topLevel: readonly Use[], own: readonly Use[]): Use[] {
  const replaced = new Set<string>();
  for (const { policy } of own) if (policy.combination === 'replace') replaced.add(policy.name);
  const all = [...topLevel.filter(({ policy }) => !replaced.has(policy.name)), ...own];
  const isFirst = ({ policy }: Use): boolean => policy.position === 'first';
  return [...all.filter(isFirst), ...all.filter((use) => !isFirst(use))];
}
