import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeFolder, type PackedPackage } from './pack.ts';
import { run } from './run.ts';

/** A way to install the package, after which its command can be run. */
export interface Layout {
  readonly name: string;
  /** Installs it below `folder`. */
  install(packed: PackedPackage, folder: string): Installed;
}

/** Where a package was installed, and where a configuration is to stand that is not below it. */
export interface Installed {
  /** The command and what goes before its arguments. */
  readonly command: readonly [string, ...string[]];
  readonly configFolder: string;
}

const PNPM = 'pnpm@10';

export const layouts: readonly Layout[] = [
  {
    name: 'project',
    install({ tarball }, folder) {
      const project = makeProject(folder);
      run(project, 'npm', 'install', tarball);
      return { command: ['npx', '--no-install', 'sallyport'], configFolder: project };
    },
  },
  {
    name: 'global',
    install({ tarball }, folder) {
      const prefix = makeFolder(folder, 'prefix');
      run(prefix, 'npm', 'install', '--global', '--prefix', prefix, tarball);
      return { command: [path.join(prefix, 'bin/sallyport')], configFolder: makeFolder(folder, 'etc') };
    },
  },
  {
    name: 'pnpm',
    install({ tarball }, folder) {
      const tool = makeProject(folder, 'tool');
      run(tool, 'npm', 'install', PNPM);
      const project = makeProject(folder, 'project');
      const pnpm = path.join(tool, 'node_modules/.bin/pnpm');
      run(project, pnpm, 'add', '--store-dir', path.join(folder, 'store'), tarball);
      return { command: [path.join(project, 'node_modules/.bin/sallyport')], configFolder: project };
    },
  },
  {
    // One package has the gateway and the configuration, as a sibling of those whose code it may name.
    name: 'monorepo',
    install({ tarball }, folder) {
      const root = makeFolder(folder, 'root');
      writeFileSync(
        path.join(root, 'package.json'),
        JSON.stringify({ private: true, workspaces: ['packages/*'] }),
      );
      const gateway = makeProject(root, 'packages/gateway');
      run(root, 'npm', 'install', '--workspace', 'gateway', tarball);
      return { command: [path.join(root, 'node_modules/.bin/sallyport')], configFolder: gateway };
    },
  },
  {
    // As the Dockerfile: the program in a folder of its own, the configuration in one that has nothing to do with it.
    name: 'docker',
    install({ tarball }, folder) {
      const app = makeFolder(folder, 'app');
      run(app, 'tar', '--extract', '--file', tarball, '--strip-components', '1');
      run(app, 'npm', 'install', '--omit=dev', '--omit=optional', '--ignore-scripts');
      const cli = path.join(app, 'dist/cli.js');
      return { command: [process.execPath, cli], configFolder: makeFolder(folder, 'etc/sallyport') };
    },
  },
  {
    name: 'git',
    install({ clone }, folder) {
      const project = makeProject(folder);
      run(project, 'npm', 'install', `git+file://${clone}`);
      return { command: ['npx', '--no-install', 'sallyport'], configFolder: project };
    },
  },
];

/** Makes an empty project of one's own. */
export function makeProject(...parts: readonly string[]): string {
  const folder = makeFolder(...parts);
  const name = path.basename(folder);
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }));
  return folder;
}
