import type { Findings } from '../findings.ts';
import { mayIdentify, type WrittenRoute, type WrittenUse } from './check-access.ts';

/** Policies that answer by themselves: with stored responses, or that a request is accepted. */
const REPLAYING = ['cache', 'idempotency-key', 'respond-async'] as const;

/**
 * Checks that no stored response gets to somebody whom a policy would have rejected: what identifies and what authorizes
 * stands before what replays.
 */
export function checkReplays(
  topLevel: readonly WrittenUse[],
  routes: readonly WrittenRoute[],
  findings: Findings,
): void {
  for (const name of REPLAYING) {
    const isReplaying = (use: WrittenUse): boolean => use.name === name;
    const isTopLevel = topLevel.some(isReplaying);
    checkUses(topLevel, name, false, findings);
    for (const { fields, uses } of routes) {
      const inherited = fields.public !== true && topLevel.some(mayIdentify);
      checkUses(uses, name, inherited, findings);
      // A route's own takes the place of the top-level one, and stands where the route has it.
      if (isTopLevel && !uses.some(isReplaying)) rejectBehind(uses, name, `the top-level ${name}`, findings);
    }
  }
}

function checkUses(
  uses: readonly WrittenUse[],
  name: (typeof REPLAYING)[number],
  isIdentified: boolean,
  findings: Findings,
): void {
  const at = uses.findIndex((use) => use.name === name);
  const use = uses[at];
  if (use === undefined) return;
  rejectBehind(uses.slice(at + 1), name, name, findings);
  if (isIdentified || uses.slice(0, at).some(mayIdentify)) return;
  if (name === 'idempotency-key')
    findings.warn(
      use.path,
      'tells callers apart by their address, since nothing before it finds out who is calling — put jwt, api-key or another authentication method before it',
    );
  else if (name === 'cache' && use.options.private === true)
    findings.reject(
      [...use.path, 'cache', 'private'],
      'keeps responses by subject, but nothing before it finds out who is calling — put jwt, api-key or another authentication method before it',
    );
}

function rejectBehind(uses: readonly WrittenUse[], name: string, before: string, findings: Findings): void {
  for (const { name: behind, policy, path } of uses) {
    if (policy === undefined) continue;
    if (policy.access !== 'none')
      findings.reject(
        path,
        `stands behind ${before}, which answers callers whom it has not seen — put it before ${name}`,
      );
    else if (behind === 'ip-filter' || (policy.refuses && behind.includes('/')))
      findings.warn(
        path,
        `does not see requests that ${before} answers — put it before ${name}, if it should`,
      );
  }
}
