import type { Policy } from '../policy.ts';

/** A use of a policy, as far as its place in the list is concerned. */
export interface PolicyUse {
  readonly policy: Pick<Policy, 'name' | 'combination' | 'position' | 'access'>;
}

/**
 * Makes the one list that a route runs, of the top-level list and its own.
 *
 * 1. A `replace` policy of the route takes the place of the top-level ones of its name.
 * 2. A public route leaves out what the top level has about who is calling; its own counts nevertheless.
 * 3. The top-level ones come before the route's, each list in the order written.
 * 4. Those of position `first` come before all others.
 */
export function mergePolicies<Use extends PolicyUse>(
  topLevel: readonly Use[],
  own: readonly Use[],
  isPublic = false,
): Use[] {
  const replaced = new Set<string>();
  for (const { policy } of own) if (policy.combination === 'replace') replaced.add(policy.name);
  const isKept = ({ policy }: Use): boolean =>
    !replaced.has(policy.name) && !(isPublic && policy.access !== 'none');
  const all = [...topLevel.filter(isKept), ...own];
  const isFirst = ({ policy }: Use): boolean => policy.position === 'first';
  return [...all.filter(isFirst), ...all.filter((use) => !isFirst(use))];
}
