import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config/load.ts';
import { gatewaySchema } from '../src/config/schema/schema.ts';
import { STRATEGIES } from '../src/config/schema/upstream-schema.ts';
import { FAILURES } from '../src/core/errors.ts';
import { FORWARDED_METHODS } from '../src/core/methods.ts';
import { builtInPolicies } from '../src/policies/index.ts';

const root = path.resolve(import.meta.dirname, '..');
const find = (pattern: string): string[] => globSync(pattern, { cwd: root }).sort();
const read = (name: string): string => readFileSync(path.join(root, name), 'utf8');

const reference = find('docs/reference/**/*.md').map(read).join('\n');

/** Names what `sallyport check` would complain about. */
async function problemsOf(file: string): Promise<string[]> {
  const result = await loadConfig(file, { policies: builtInPolicies, env: {} });
  return result.ok ? [] : result.problems.map(({ path: place, message }) => `${place} ${message}`);
}

describe('the reference', () => {
  it.each(Object.keys(FAILURES))('documents the failure %s', (code) => {
    expect(reference).toContain(`\`${code}\``);
  });

  it.each(builtInPolicies.map(({ name }) => name))('has a page about the policy %s', (name) => {
    const page = `docs/reference/policies/${name}.md`;
    expect(existsSync(path.join(root, page)), page).toBe(true);
  });

  it.each(Object.keys(gatewaySchema(builtInPolicies).shape))('documents the setting %s', (key) => {
    expect(reference).toContain(`\`${key}\``);
  });
});

describe('the programming interface', () => {
  const page = read('docs/reference/api.md');
  const names = [...read('src/index.ts').matchAll(/^export (?:type )?\{([^}]*)\}/gm)]
    .flatMap(([, list = '']) => list.replace(/\/\*\*.*?\*\//gs, '').split(','))
    .map((name) =>
      name
        .trim()
        .replace(/^type /, '')
        .replace(/^.* as /, ''),
    )
    .filter((name) => name !== '');

  it('is found', () => {
    expect(names).toEqual(expect.arrayContaining(['createGateway', 'APIGateway', 'Policy', 'HeaderList']));
  });

  // `npm run docs` refuses what has no docstring: functions, types, and the methods of both.
  it.each(names)('says what %s is', (name) => {
    const section = new RegExp(`^### ${name}(?:\\(\\))?$([\\s\\S]*?)(?=^\\*\\*\\*$|(?![\\s\\S]))`, 'm').exec(
      page,
    )?.[1];
    const prose =
      section
        ?.replace(/```[\s\S]*?```/g, '')
        .replace(/^#.*$/gm, '')
        .trim() ?? '';
    expect(prose, `### ${name} in the reference`).toMatch(/[A-Za-z]{3,}/);
  });
});

describe('the command line', () => {
  it('has all of its commands in the reference', () => {
    const page = read('docs/reference/cli.md');
    for (const command of ['start', 'check', 'init', 'hash-password', 'keys create', 'keys rotate'])
      expect(page).toContain(`## \`sallyport ${command}\``);
  });
});

describe('the examples', () => {
  it.each(find('{demo,examples/**}/sallyport.{yaml,json,ts}'))('%s passes the check', async (file) => {
    expect(await problemsOf(path.join(root, file))).toEqual([]);
  });

  it('are found', () => {
    expect(find('{demo,examples/**}/sallyport.{yaml,json,ts}')).toContain('demo/sallyport.yaml');
  });
});

describe('configurations in the text', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'sallyport-docs-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  const blocks = find('{README.md,docs/guide/*.md}').flatMap((name) =>
    [...read(name).matchAll(/```yaml\n([\s\S]*?)```/g)]
      .map((match) => match[1] as string)
      .filter((text) => /^listeners:/m.test(text))
      .map((text, i) => ({ name: `${name}, number ${i + 1}`, text })),
  );

  it.each(blocks)('$name passes the check', async ({ text }) => {
    const file = path.join(folder, 'sallyport.yaml');
    writeFileSync(file, text);
    expect(await problemsOf(file)).toEqual([]);
  });
});

describe('what the guide names', () => {
  const guide = find('docs/guide/*.md').map(read).join('\n');

  it('is every metric that the gateway has', () => {
    const names = find('src/**/*.ts').flatMap((name) => [
      ...read(name).matchAll(/'((?:gateway|http_server|http_client|process|nodejs)_[a-z_]+)'/g),
    ]);
    const undocumented = names.map((match) => match[1] as string).filter((name) => !guide.includes(name));
    expect([...new Set(undocumented)]).toEqual([]);
  });

  it('is every balancing strategy', () => {
    expect(STRATEGIES.filter((name) => !guide.includes(`\`${name}\``))).toEqual([]);
  });

  it('is every method that the gateway forwards', () => {
    expect(FORWARDED_METHODS.filter((method) => !guide.includes(`\`${method}\``))).toEqual([]);
  });
});

describe('links between pages', () => {
  it.each(find('{*.md,docs/**/*.md}'))('%s leads nowhere that is not there', (name) => {
    const links = [...read(name).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(
      (match) => match[1] as string,
    );
    const dead = links.filter((link) => !existsSync(path.join(root, path.dirname(name), link)));
    expect(dead).toEqual([]);
  });
});
