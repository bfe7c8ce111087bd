import { expect, test } from 'vitest';
import { mergePolicies } from '../../src/core/pipeline/merge-policies.ts';
import type { Policy, PolicyCombination, PolicyPosition } from '../../src/core/policy.ts';

const use = (
  name: string,
  from: string,
  combination: PolicyCombination = 'stack',
  position: PolicyPosition = 'as-written',
) => ({ policy: { name, combination, position, access: 'none' as Policy['access'] }, from });
const cors = (from: string) => use('cors', from, 'replace', 'first');
const security = (from: string) => use('security-headers', from, 'replace', 'first');
const limit = (from: string) => use('body-limit', from, 'replace');
const filter = (from: string) => use('ip-filter', from);

const merged = (topLevel: ReturnType<typeof use>[], own: ReturnType<typeof use>[]) =>
  mergePolicies(topLevel, own).map(({ policy, from }) => `${policy.name} ${from}`);

test('top-level policies come before those of the route', () => {
  expect(merged([filter('top'), use('a', 'top')], [use('b', 'route')])).toEqual([
    'ip-filter top',
    'a top',
    'b route',
  ]);
});

test('policies that stack both run', () => {
  expect(merged([filter('top')], [filter('route')])).toEqual(['ip-filter top', 'ip-filter route']);
});

test("a route's own takes the place of the top-level one where the policy is replaced", () => {
  expect(merged([limit('top'), cors('top'), filter('top')], [limit('route'), cors('route')])).toEqual([
    'cors route',
    'ip-filter top',
    'body-limit route',
  ]);
});

test('what must be on every answer comes first, in the order written, wherever it was written', () => {
  expect(merged([filter('top'), security('top')], [limit('route'), cors('route')])).toEqual([
    'security-headers top',
    'cors route',
    'ip-filter top',
    'body-limit route',
  ]);
});

test('the lists given are left as they are', () => {
  const topLevel = [filter('top'), cors('top')];
  mergePolicies(topLevel, [cors('route')]);
  expect(topLevel.map(({ policy }) => policy.name)).toEqual(['ip-filter', 'cors']);
});

test('a public route leaves out what the top level has about who is calling, not its own', () => {
  const identifying = (from: string) => {
    const made = use('jwt', from);
    return { ...made, policy: { ...made.policy, access: 'identifies' as const } };
  };
  const authorizing = (from: string) => {
    const made = use('authorize', from);
    return { ...made, policy: { ...made.policy, access: 'authorizes' as const } };
  };
  const topLevel = [filter('top'), identifying('top'), authorizing('top')];
  const names = (isPublic: boolean) =>
    mergePolicies(topLevel, [identifying('route')], isPublic).map(
      ({ policy, from }) => `${policy.name} ${from}`,
    );
  expect(names(true)).toEqual(['ip-filter top', 'jwt route']);
  expect(names(false)).toEqual(['ip-filter top', 'jwt top', 'authorize top', 'jwt route']);
});
