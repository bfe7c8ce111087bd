import type { Findings } from '../findings.ts';
import { mayIdentify, type WrittenRoute, type WrittenUse } from './check-access.ts';

/**
 * Checks that no stored answer gets to somebody whom a policy would have rejected: what identifies and what authorizes
 * stands before `cache`, which responds without the policies behind it.
 */
export function checkCache(
  topLevel: readonly WrittenUse[],
  routes: readonly WrittenRoute[],
  findings: Findings,
): void {
  const isTopLevel = topLevel.some(isCache);
  checkUses(topLevel, false, findings);
  for (const { fields, uses } of routes) {
    const inherited = fields.public !== true && topLevel.some(mayIdentify);
    checkUses(uses, inherited, findings);
    // A route's own takes the place of the top-level one, and stands where the route has it.
    if (isTopLevel && !uses.some(isCache)) rejectBehind(uses, 'the top-level cache', findings);
  }
}

function isCache({ name }: WrittenUse): boolean {
  return name === 'cache';
}

function checkUses(uses: readonly WrittenUse[], isIdentified: boolean, findings: Findings): void {
  const at = uses.findIndex(isCache);
  const use = uses[at];
  if (use === undefined) return;
  rejectBehind(uses.slice(at + 1), 'cache', findings);
  if (use.options.private !== true || isIdentified || uses.slice(0, at).some(mayIdentify)) return;
  findings.reject(
    [...use.path, 'cache', 'private'],
    'keeps responses by subject, but nothing before it finds out who is calling — put jwt, api-key or another authentication method before it',
  );
}

function rejectBehind(uses: readonly WrittenUse[], before: string, findings: Findings): void {
  for (const { name, policy, path } of uses) {
    if (policy === undefined) continue;
    if (policy.access !== 'none')
      findings.reject(
        path,
        `stands behind ${before}, which answers callers whom it has not seen — put it before cache`,
      );
    else if (name === 'ip-filter' || (policy.refuses && name.includes('/')))
      findings.warn(path, `does not see requests that ${before} answers — put it before cache, if it should`);
  }
}
