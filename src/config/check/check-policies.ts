import type { Policy } from '../../core/policy.ts';
import { asFields, asList, type Fields, type Findings } from '../findings.ts';
import type { ConfigPath } from '../problem.ts';
import { checkAccess, type WrittenUse } from './check-access.ts';
import { checkLimits } from './check-limits.ts';
import { checkReplays } from './check-replays.ts';
import { checkTransforms } from './check-transform.ts';
import { checkSpellings } from './matching/check-spellings.ts';

/** Checks how the policies of a list, and those of routes with the top-level ones, fit together. */
export function checkPolicies(gateway: Fields, policies: readonly Policy[], findings: Findings): void {
  const byName = new Map(policies.map((policy) => [policy.name, policy]));
  const topLevel = readUses(gateway.policies, ['policies'], byName);
  const routes = asList(gateway.routes).map((route, i) => {
    const fields = asFields(route);
    return {
      fields,
      path: ['routes', i],
      uses: readUses(fields.policies, ['routes', i, 'policies'], byName),
    };
  });
  for (const uses of [topLevel, ...routes.map((route) => route.uses)]) checkDoubles(uses, findings);
  checkAccess(topLevel, routes, findings);
  checkSpellings(topLevel, routes, gateway, findings);
  checkReplays(topLevel, routes, findings);
  checkLimits(topLevel, routes, findings);
  checkTransforms(topLevel, routes, findings);
}

function readUses(list: unknown, path: ConfigPath, byName: ReadonlyMap<string, Policy>): WrittenUse[] {
  return asList(list).flatMap((entry, i) => {
    const name = nameOf(entry);
    if (name === undefined) return [];
    const options = asFields(entry)[name];
    const ways = asList(options).flatMap((way) => nameOf(way) ?? []);
    return [{ name, policy: byName.get(name), options: asFields(options), ways, path: [...path, i] }];
  });
}

function nameOf(entry: unknown): string | undefined {
  return typeof entry === 'string' ? entry : Object.keys(asFields(entry))[0];
}

/** No list of policies says twice what can be said once: a second `cors` would undo the first. */
function checkDoubles(uses: readonly WrittenUse[], findings: Findings): void {
  const seen = new Set<string>();
  for (const { name, policy, path } of uses) {
    if (policy?.combination !== 'replace') continue;
    if (seen.has(name)) {
      findings.reject(
        path,
        `is a second ${name} in one list, of which only one can hold — put all into one entry`,
      );
    }
    seen.add(name);
  }
}
