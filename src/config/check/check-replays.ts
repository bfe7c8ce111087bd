import { isSecretName } from '../../core/fields/secret-names.ts';
import { asFields, asList, type Findings } from '../findings.ts';
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
  if (name === 'cache') warnOfUselessKeys(uses.slice(0, at), findings);
  if (isIdentified || uses.slice(0, at).some(mayIdentify)) return;
  if (name === 'idempotency-key')
    findings.warn(
      use.path,
      'tells callers apart by their address, since nothing before it finds out who is calling — put jwt, api-key or another authentication method before it',
    );
  else if (name === 'cache' && use.options.private !== true) warnOfCredentials(use, uses, findings);
  else if (name === 'cache')
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
    else if (name === 'cache' && behind.includes('/'))
      findings.warn(
        path,
        `stands behind ${before}, whose key has nothing of what it writes into a request — put it before cache, if that differs from caller to caller`,
      );
  }
}

/** What each request has another value of is in the key where it stands before the cache. */
function warnOfUselessKeys(before: readonly WrittenUse[], findings: Findings): void {
  for (const { name, options, path } of before) {
    if (name !== 'headers') continue;
    for (const change of ['set', 'add'])
      for (const [field, value] of Object.entries(asFields(asFields(options.request)[change])))
        if (typeof value === 'string' && /\{requestId\}./.test(`${value} `.replace(/^\{requestId\} $/, '')))
          findings.warn(
            [...path, name, 'request', change, field],
            'has another value in each request, which is part of the key of cache, so that nothing is found there — put it behind cache',
          );
  }
}

/** A service that takes credentials knows its callers, of which the cache then knows none. */
function warnOfCredentials(use: WrittenUse, uses: readonly WrittenUse[], findings: Findings): void {
  const keyed = asList(asFields(use.options.key).headers).find((field) =>
    /^authorization$/i.test(String(field)),
  );
  const hint =
    'only responses that say public or s-maxage are stored for such requests; put jwt, api-key or another authentication method before cache to keep others by caller';
  if (keyed !== undefined)
    findings.warn(
      [...use.path, 'cache', 'key', 'headers'],
      `names authorization, but nothing before cache finds out who is calling — ${hint}`,
    );
  for (const { name, options, path } of uses) {
    if (name !== 'cors') continue;
    const secret = asList(options.headers).find((field) => typeof field === 'string' && isSecretName(field));
    if (secret === undefined && options.credentials !== true) continue;
    findings.warn(
      path,
      `lets pages send ${secret === undefined ? 'cookies' : String(secret)} to a service in front of which cache stands and nothing finds out who is calling — ${hint}`,
    );
  }
}
