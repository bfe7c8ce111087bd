import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { findViolations, type SourceFile } from './support/architecture.ts';

const src = path.resolve(import.meta.dirname, '../src');

function readSources(): SourceFile[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({
      name: name.replaceAll(path.sep, '/'),
      text: readFileSync(path.join(src, name), 'utf8'),
    }));
}

const violationsOf = (files: Readonly<Record<string, string>>): string[] =>
  findViolations(Object.entries(files).map(([name, text]) => ({ name, text })));

describe('the architecture', () => {
  it('holds in src', () => {
    expect(findViolations(readSources())).toEqual([]);
  });

  it('reads the real imports, not nothing', () => {
    expect(readSources().length).toBeGreaterThan(10);
  });
});

describe('the check of the architecture', () => {
  it('accepts arrows that point down', () => {
    const files = {
      'cli.ts': "import { createGateway } from './gateway.ts';",
      'gateway.ts': "import { buildSnapshot } from './snapshot.ts';",
      'snapshot.ts':
        "import { Router } from './router/router.ts';\nimport { forward } from './proxy/forward.ts';",
      'router/router.ts': "import type { Route } from '../core/exchange.ts';",
      'proxy/forward.ts': "import { pick } from '../upstream/upstream.ts';",
      'upstream/upstream.ts': "import type { Target } from '../core/message.ts';",
      'policies/cors.ts': "import { duration } from '../config/schema/units.ts';",
      'config/schema/units.ts': '',
      'config/load.ts': "import { check } from './check/check.ts';\nimport { fault } from './problem.ts';",
      'config/check/check.ts': "import { schema } from '../schema/units.ts';",
      'config/problem.ts': '',
      'core/exchange.ts': '',
      'core/message.ts': '',
    };
    expect(violationsOf(files)).toEqual([]);
  });

  it.each([
    ['core importing a feature', 'core/a.ts', '../router/b.ts', 'router/b.ts'],
    ['a feature importing one on its level', 'router/a.ts', '../policies/b.ts', 'policies/b.ts'],
    ['the sideways arrow turned round', 'upstream/a.ts', '../proxy/b.ts', 'proxy/b.ts'],
    ['config importing policies', 'config/a.ts', '../policies/b.ts', 'policies/b.ts'],
    [
      'policies importing more of config than its kinds of values',
      'policies/a.ts',
      '../config/schema/schema.ts',
      'config/schema/schema.ts',
    ],
    ['a schema importing a check', 'config/schema/a.ts', '../check/b.ts', 'config/check/b.ts'],
    ['a problem importing what loads', 'config/problem.ts', './load.ts', 'config/load.ts'],
    ['config and http1, which are on one level', 'config/a.ts', '../http1/b.ts', 'http1/b.ts'],
    ['a feature importing the snapshot', 'server/a.ts', '../snapshot.ts', 'snapshot.ts'],
    ['the snapshot importing the gateway', 'snapshot.ts', './gateway.ts', 'gateway.ts'],
  ])('refuses %s, naming the pair', (_, from, specifier, to) => {
    const files = { [from]: `import { x } from '${specifier}';`, [to]: '' };
    expect(violationsOf(files)).toEqual([`${from} imports ${to}: this arrow points the wrong way`]);
  });

  it.each([
    ['type imports', "import type { X } from '../router/b.ts';"],
    ['re-exports', "export * from '../router/b.ts';"],
    ['imports for their effect', "import '../router/b.ts';"],
    ['dynamic imports', "const b = await import('../router/b.ts');"],
    ['types taken by import()', "type X = import('../router/b.ts').X;"],
    ['imports over several lines', "import {\n  x,\n  y,\n} from '../router/b.ts';"],
  ])('sees %s', (_, text) => {
    expect(violationsOf({ 'core/a.ts': text, 'router/b.ts': '' })).toHaveLength(1);
  });

  it('takes no comment for an import', () => {
    expect(
      violationsOf({ 'core/a.ts': "// import { x } from '../router/b.ts';", 'router/b.ts': '' }),
    ).toEqual([]);
  });

  it('refuses a cycle, naming its files', () => {
    const files = {
      'core/a.ts': "import { b } from './b.ts';",
      'core/b.ts': "import type { c } from './c.ts';",
      'core/c.ts': "import { a } from './a.ts';",
    };
    expect(violationsOf(files)).toEqual(['cycle: core/a.ts -> core/b.ts -> core/c.ts -> core/a.ts']);
  });

  it('refuses a folder without a place in the layering', () => {
    expect(violationsOf({ 'misc/a.ts': '' })).toEqual(['misc/a.ts: misc has no place in the layering']);
  });

  it('refuses a folder with more entries than a reader takes in at once', () => {
    const files = Object.fromEntries(Array.from({ length: 31 }, (_, i) => [`core/file-${i}.ts`, '']));
    expect(violationsOf(files)).toEqual(['core has 31 entries; at most 30']);
  });

  it('refuses a file with more lines than one idea needs', () => {
    expect(violationsOf({ 'core/a.ts': '\n'.repeat(351), 'core/b.ts': '\n'.repeat(350) })).toEqual([
      'core/a.ts has 351 lines; at most 350',
    ]);
  });

  it('refuses an import of a file that is not there', () => {
    expect(violationsOf({ 'core/a.ts': "import './gone.ts';" })).toEqual([
      'core/a.ts imports core/gone.ts, which does not exist',
    ]);
  });

  it('refuses default exports', () => {
    expect(
      violationsOf({ 'core/a.ts': 'export default 1;', 'core/b.ts': 'export { x as default };' }),
    ).toEqual(['core/a.ts has a default export', 'core/b.ts has a default export']);
  });

  it.each(['utils', 'helpers', 'common', 'types', 'manager', 'key-manager', 'path-utils'])(
    'refuses %s.ts, a name that says nothing',
    (name) => {
      expect(violationsOf({ [`core/${name}.ts`]: '' })).toEqual([
        `core/${name}.ts: a file is named after what it exports`,
      ]);
    },
  );

  it('lets only the parser know undici', () => {
    const parser = "const wasm = createRequire(import.meta.url)('undici/lib/llhttp/llhttp_simd-wasm.js');";
    expect(violationsOf({ 'http1/llhttp.ts': parser, 'http1/parser-memory.ts': parser })).toEqual([]);
    const rule = 'only http1/llhttp.ts and http1/parser*.ts may know undici';
    expect(
      violationsOf({ 'http1/pool.ts': parser, 'proxy/a.ts': "import { request } from 'undici';" }),
    ).toEqual([
      `http1/pool.ts loads undici/lib/llhttp/llhttp_simd-wasm.js: ${rule}`,
      `proxy/a.ts loads undici: ${rule}`,
    ]);
  });
});
