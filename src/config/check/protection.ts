import { isDeepStrictEqual } from 'node:util';
import { isStandIn } from '../document/custom-policies.ts';
import { asList } from '../findings.ts';
import { mayIdentify, type WrittenRoute, type WrittenUse } from './check-access.ts';

/** What may refuse a request on a route, in the order of its list: the top-level policies that hold there, and its own. */
export function listRejecting(topLevel: readonly WrittenUse[], { fields, uses }: WrittenRoute): WrittenUse[] {
  const inherited = topLevel.filter((use) => {
    if (fields.public === true && use.policy !== undefined && use.policy.access !== 'none') return false;
    return use.policy?.combination !== 'replace' || !uses.some(({ name }) => name === use.name);
  });
  return [...inherited, ...uses].filter(mayReject);
}

function mayReject(use: WrittenUse): boolean {
  if (use.options.observe === true) return false;
  const { policy } = use;
  return policy === undefined || isStandIn(policy) || policy.refuses || policy.access !== 'none';
}

/** Says what of `guarded` the policies of `other` do not make up for, as a clause about the other route, or nothing. */
export function findLack(guarded: readonly WrittenUse[], other: readonly WrittenUse[]): string | undefined {
  for (const use of guarded) {
    if (mayIdentify(use)) {
      if (!other.some(mayIdentify)) return 'which requires no credentials';
      continue;
    }
    const same = other.filter(({ name }) => name === use.name);
    if (same.length === 0) return `which has no ${use.name}`;
    if (!same.some((candidate) => isAsStrict(candidate, use))) return `whose ${use.name} lets more through`;
  }
  return undefined;
}

function isAsStrict(candidate: WrittenUse, use: WrittenUse): boolean {
  if (candidate === use) return true;
  const keys = new Set([...Object.keys(use.options), ...Object.keys(candidate.options)]);
  keys.delete('id');
  const compare = COMPARISONS[use.name] ?? isDeepStrictEqual;
  return [...keys].every((key) => compare(candidate.options[key], use.options[key], key));
}

type Comparison = (candidate: unknown, wanted: unknown, key: string) => boolean;

/** For options that can be compared: whether the first rejects all that the second does. */
const COMPARISONS: Readonly<Record<string, Comparison>> = {
  authorize(candidate, wanted, key) {
    if (key === 'roles') return isWithin(candidate, wanted);
    if (key === 'permissions') return asList(wanted).every((item) => asList(candidate).includes(item));
    // What is asked beside that can only reject more.
    return wanted === undefined || isDeepStrictEqual(candidate, wanted);
  },
  validate(candidate, wanted, key) {
    // Each operation of a document is described for itself, and what goes to another one is judged by that.
    if (key === 'openapi' && wanted !== undefined) return candidate !== undefined;
    return isDeepStrictEqual(candidate, wanted);
  },
  'rate-limit': isLimitAsLow,
  quota: isLimitAsLow,
  concurrency: isLimitAsLow,
};

/** Any of the roles is enough, so fewer are stricter, and none asks for nothing. */
function isWithin(candidate: unknown, wanted: unknown): boolean {
  if (wanted === undefined) return true;
  const roles = asList(candidate);
  return roles.length > 0 && roles.every((role) => asList(wanted).includes(role));
}

function isLimitAsLow(candidate: unknown, wanted: unknown, key: string): boolean {
  const isNumber = typeof candidate === 'number' && typeof wanted === 'number';
  if (isNumber && (key === 'limit' || key === 'burst' || key === 'max')) return candidate <= wanted;
  return isDeepStrictEqual(candidate, wanted);
}
