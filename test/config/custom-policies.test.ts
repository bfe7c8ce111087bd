import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { importCustomPolicies } from '../../src/config/document/custom-policies.ts';
import { stubServices } from '../core/stub-exchange.ts';
import { configOf, loadText, problemsOf } from './load-text.ts';

const folder = path.join(import.meta.dirname, 'fixtures', 'policies');
const files = {
  audit: path.join(folder, 'audit.ts'),
  throws: path.join(folder, 'throws.ts'),
  incomplete: path.join(folder, 'incomplete.js'),
};

/** The custom policies are imported from disk; the configuration itself is only text. */
function load<Result>(via: (text: string, options: object) => Promise<Result>, named: string, use: string) {
  const text = `listeners: [{ port: 0 }]\ncustomPolicies: { ${named} }\npolicies:\n  - ${use}\n`;
  return via(text, { files: { [files.audit]: '', [files.throws]: '', [files.incomplete]: '' } });
}

describe('a policy of your own', () => {
  it('is used by its name, its options judged by its own schema', async () => {
    const config = await load(configOf, `acme/audit: "${files.audit}"`, 'acme/audit');
    expect(config.policies).toEqual([{ name: 'acme/audit', observe: false, options: { reason: 'none' } }]);
    expect(await load(problemsOf, `acme/audit: "${files.audit}"`, 'acme/audit: { reson: x }')).toEqual([
      "4:19 policies[0][\"acme/audit\"].reson: there is no setting 'reson' here — did you mean 'reason'?",
    ]);
  });

  it('comes with the result, to be made by whoever runs it', async () => {
    const result = await load(loadText, `acme/audit: "${files.audit}"`, 'limit');
    expect(result.ok && result.customPolicies.map(({ name }) => name)).toEqual(['acme/audit']);
  });

  it.each([
    [`acme/other: "${files.audit}"`, /exports 'acme\/audit', 'acme\/pattern', not this policy/],
    [`acme/audit: "${files.throws}"`, /cannot be imported: no such thing/],
    [
      `acme/bare: "${files.incomplete}"`,
      /whose policy has no `options`, such as z.strictObject\(\{\}\) for none —/,
    ],
    [
      `acme/foreign: "${files.incomplete}"`,
      /has `options` that are not a schema of the zod used here, and has no function `create` —/,
    ],
    ['acme/audit: ./none.ts', /names a file that cannot be read \(ENOENT\)/],
    [`audit: "${files.audit}"`, /is not a name for a custom policy — put a slash in it/],
  ])('is refused once, not once more at each use: %s', async (named, problem) => {
    const name = named.slice(0, named.indexOf(':'));
    expect(await load(problemsOf, named, `${name}: { anything: 1 }`)).toEqual([
      expect.stringMatching(problem),
    ]);
  });

  it('is refused when its schema makes more than data of its options', async () => {
    expect(await load(problemsOf, `acme/pattern: "${files.audit}"`, 'acme/pattern: { matches: x }')).toEqual([
      expect.stringContaining('policies[0]: the schema of acme/pattern makes more than data of its options'),
    ]);
  });

  it('does not run in place of one that could not be had', async () => {
    const { policies } = await importCustomPolicies({ 'acme/audit': 'gone.ts' }, folder);
    expect(() => policies[0]?.create({}, stubServices().services)).toThrow(
      "'acme/audit' could not be imported",
    );
  });
});
