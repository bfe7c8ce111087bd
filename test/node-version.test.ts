import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { explainOldNode } from '../src/node-version/required-node.ts';

const root = path.resolve(import.meta.dirname, '..');

/** Nodes outside the checkout that are too old for us, of which a machine may have one. */
const old = (process.env.PATH ?? '')
  .split(path.delimiter)
  .filter((folder) => !folder.startsWith(root))
  .map((folder) => path.join(folder, 'node'))
  .map((node) => ({
    node,
    version: spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout?.trim().slice(1),
  }))
  .find(({ version }) => version?.startsWith('20.') === true);

describe('an old Node', () => {
  it.each(['18.20.8', '20.20.2', '22.18.9', '21.99.0'])('%s is told which one is needed', (version) => {
    expect(explainOldNode(version)).toBe(
      `Sallyport needs Node.js 22.19 or later, but this is ${version}. Install a newer one.`,
    );
  });

  it.each(['22.19.0', '22.20.1', '24.0.0', '26.1.0-nightly'])('%s is new enough', (version) => {
    expect(explainOldNode(version)).toBeUndefined();
  });

  it.skipIf(old === undefined).each([
    ['imported', ['--input-type=module', '-e', `await import(${JSON.stringify(packageUrl())})`]],
    [
      'imported by name',
      ['--input-type=module', '-e', `import { createGateway } from ${JSON.stringify(packageUrl())};`],
    ],
    ['required', ['-e', `require(${JSON.stringify(path.join(root, 'dist/index.js'))})`]],
    ['started', [path.join(root, 'dist/cli.js'), 'start']],
  ])('says the same when the package is %s', (_, args) => {
    const { node = '', version = '' } = old ?? {};
    const { status, stderr } = spawnSync(node, args, { cwd: root, encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toContain(explainOldNode(version));
  });
});

function packageUrl(): string {
  return pathToFileURL(path.join(root, 'dist/index.js')).href;
}
