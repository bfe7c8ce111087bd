import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { policyEntrySchema } from '../../src/config/schema/policy-entry.ts';
import { builtInPolicies } from '../../src/policies/index.ts';

const guide = readFileSync(new URL('../../docs/guide/policies.md', import.meta.url), 'utf8');
const snippets = [...guide.matchAll(/```yaml\n(- [\s\S]*?)```/g)].map(([, yaml = '']) => yaml);

test.each(snippets)('the guide shows a valid entry:\n%s', (yaml) => {
  const entries = z.array(policyEntrySchema(builtInPolicies)).safeParse(parse(yaml));
  expect(entries.error?.issues ?? []).toEqual([]);
});

describe.each(builtInPolicies.map((policy) => [policy.name, policy] as const))('%s', (name, policy) => {
  const [, rest = ''] = guide.split(`\n## ${name}\n`);
  const section = rest.split('\n## ')[0] ?? '';

  test('has a section with an example', () => {
    expect(section).toContain('```yaml');
  });

  test.each(
    Object.keys(z.toJSONSchema(policy.options, { io: 'input', unrepresentable: 'any' }).properties ?? {}),
  )('whose section names the option %s', (option) => expect(section).toContain(option));
});
