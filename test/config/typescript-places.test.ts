import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createSourceLocate } from '../../src/config/document/source-places.ts';
import { loadConfig } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { builtInPolicies } from '../../src/policies/index.ts';

/** Loads a TypeScript configuration that must be bad, and gives its problems without the folder's name. */
async function problemsOf(text: string, name = 'sallyport.ts'): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-places-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, name);
  await writeFile(file, text);
  const result = await loadConfig(file, { policies: builtInPolicies, env: {} });
  if (result.ok) throw new Error('the configuration is good');
  return result.problems.map((problem) => formatProblem(problem).replaceAll(`${folder}/`, ''));
}

const SOURCE = `\
import { cors, defineGateway, type GatewayInput } from 'sallyport';

const one: NonNullable<GatewayInput['upstreams']>[string] = { targts: [] };
const shared = { accesLog: true };
const names: string[] = ['a', 'b'];

export default defineGateway({
  ...shared,
  listeners: [{ port: 70000 }] as const,
  upstreams: { one },
  policies: ['cors', cors({ origins: ['*'], maxAge: 5 as never })],
  routes: names.map((name) => ({ id: name, path: '/', upstream: 'none' })),
} satisfies GatewayInput);
`;

/** The text from the place that a path leads to, to the end of its line. */
function textAt(path: PropertyKey[], what?: 'key' | 'value'): string | undefined {
  const place = createSourceLocate(SOURCE)(path, what);
  return place && SOURCE.split('\n')[place.line - 1]?.slice(place.column - 1);
}

describe('the places of a configuration in TypeScript', () => {
  it.each([
    ['a literal', ['listeners', 0, 'port'], '70000 }] as const,'],
    ['a variable', ['upstreams', 'one', 'targts'], 'targts: [] };'],
    ['what is spread', ['accesLog'], 'true };'],
    ['an entry of a list', ['policies', 0], "'cors', cors({ origins: ['*'], maxAge: 5 as never })],"],
    ['the function of a policy', ['policies', 1, 'cors', 'maxAge'], '5 as never })],'],
    [
      'what is computed, as a whole',
      ['routes', 1, 'upstream'],
      'routes: names.map((name) => ({ id: name, path: ',
    ],
    ['what is missing, as what is around it', ['listeners', 0, 'host'], '{ port: 70000 }] as const,'],
    ['the root', [], '{'],
  ])('lead to %s', (_, path, text) => {
    expect(textAt(path)?.startsWith(text)).toBe(true);
  });

  it('lead to the key where that is what is wrong', () => {
    expect(textAt(['listeners', 0, 'port'], 'key')).toBe('port: 70000 }] as const,');
  });

  it('are nowhere where the source cannot be read', () => {
    expect(createSourceLocate('export default {')(['a'])).toBeUndefined();
    expect(createSourceLocate('export const a = 1;')(['a'])).toBeUndefined();
  });
});

describe('the problems of a configuration in TypeScript', () => {
  it('tell line and column', async () => {
    const text = `const wrong: string = 'none';\nexport default {\n  listeners: [{ port: 0 }],\n  routs: [],\n  routes: [\n    { id: 'a', path: '/', upstream: wrong },\n  ],\n};\n`;
    expect(await problemsOf(text)).toEqual([
      expect.stringMatching(/^sallyport\.ts:4:3 routs: there is no setting 'routs' here/),
      expect.stringMatching(/^sallyport\.ts:6:27 routes\[0\]\.upstream: there is no upstream 'none'/),
    ]);
  });

  it('tell where something is that is more than data', async () => {
    const text = 'export default {\n  listeners: [{ port: 0 }],\n  accessLog: () => true,\n};\n';
    expect(await problemsOf(text)).toEqual([
      expect.stringMatching(/^sallyport\.ts:3:3 accessLog: is a function/),
    ]);
  });

  it('tell where its code throws', async () => {
    const text = "const a = 1;\nif (a) throw new Error('no such thing');\nexport default {};\n";
    expect(await problemsOf(text, 'sallyport.mjs')).toEqual([
      expect.stringMatching(/^sallyport\.mjs:2:\d+: cannot be imported: no such thing/),
    ]);
  });
});
