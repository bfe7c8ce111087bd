import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { loadConfigInChild } from '../../src/config/load-in-child.ts';
import { testPolicies, withRoutes } from './load-text.ts';

const fixtures = path.join(import.meta.dirname, 'fixtures');
const policiesModule = pathToFileURL(path.join(fixtures, 'policies.ts')).href;
const folder = mkdtempSync(path.join(tmpdir(), 'sallyport-child-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

function load(file: string, env: Record<string, string> = {}) {
  return loadConfigInChild(file, { policiesModule, env });
}

describe('loading in a process of its own', () => {
  it('gives what loading here gives, for more routes than one slice and custom policies too', async () => {
    const routes = Array.from(
      { length: 600 },
      (_, i) => `{ id: r${i}, path: /x${i}, upstream: a, policies: [limit, acme/audit] }`,
    );
    const audit = path.join(fixtures, 'policies', 'audit.ts');
    const text = `${withRoutes(...routes)}customPolicies: { acme/audit: "${audit}" }\nadmin: { token: "\${TOKEN}" }\n`;
    const file = write('many.yaml', text);
    const env = { TOKEN: 'from the environment' };
    const here = await loadConfig(file, { policies: testPolicies, env });
    expect(here.ok && here.config.routes).toHaveLength(600);
    expect(await load(file, env)).toEqual(here);
  });

  it('gives the problems that loading here gives', async () => {
    const file = write('bad.yaml', withRoutes('{ id: r, path: x, upstream: b }'));
    const here = await loadConfig(file, { policies: testPolicies, env: {} });
    expect(here.ok).toBe(false);
    expect(await load(file)).toEqual(here);
  });

  it('sees changes to a TypeScript file, which is imported only once elsewhere', async () => {
    const text = (port: number) => `export default { listeners: [{ port: ${port} as number }] };\n`;
    const file = write('changing.ts', text(1));
    expect(await load(file)).toMatchObject({ config: { listeners: [{ port: 1 }] } });
    write('changing.ts', text(2));
    expect(await load(file)).toMatchObject({ config: { listeners: [{ port: 2 }] } });
  });

  it('fails clearly when the process ends early', async () => {
    const file = write('exits.ts', 'process.exit(3);\nexport default {};\n');
    await expect(load(file)).rejects.toThrow('the process that reads the configuration ended early');
  });
});
