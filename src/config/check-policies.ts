import type { Policy } from '../core/policy.ts';
import { asFields, asList, type Fields, type Findings } from './findings.ts';
import type { ConfigPath } from './problem.ts';

/** Checks that no list of policies says twice what can be said once: a second `cors` would undo the first. */
export function checkPolicies(gateway: Fields, policies: readonly Policy[], findings: Findings): void {
  const single = new Set<string>();
  for (const { name, combination } of policies) if (combination === 'replace') single.add(name);
  checkList(gateway.policies, ['policies'], single, findings);
  for (const [i, route] of asList(gateway.routes).map(asFields).entries()) {
    checkList(route.policies, ['routes', i, 'policies'], single, findings);
  }
}

function checkList(list: unknown, path: ConfigPath, single: ReadonlySet<string>, findings: Findings): void {
  const seen = new Set<string>();
  for (const [i, entry] of asList(list).entries()) {
    const name = typeof entry === 'string' ? entry : Object.keys(asFields(entry))[0];
    if (name === undefined || !single.has(name)) continue;
    if (seen.has(name)) {
      findings.refuse(
        [...path, i],
        `is a second ${name} in one list, of which only one can hold — put all into one entry`,
      );
    }
    seen.add(name);
  }
}
