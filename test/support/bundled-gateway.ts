/**
 * The gateway in few files, for the tests that start it as a process: it loads in half the time that its 600 modules
 * take, which is most of what such a test costs.
 *
 * Made from `src/` before the tests run, when a source is newer (`globalSetup` of `vitest.config.ts`). Modules know the
 * place that they have in `dist/`, and those that are found by their place stand there.
 */
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'rolldown';

const root = resolve(import.meta.dirname, '../..');
const place = join(root, 'node_modules/.cache/sallyport');

/** The command line. */
export const CLI = join(place, 'dist/cli.js');

/** Gives the URL of a module of the gateway that `CLI` runs, for code that a test writes: `core/policy`. */
export function bundledModule(name: (typeof ENTRIES)[number] | 'zod'): string {
  return pathToFileURL(join(place, 'dist', `${name}.js`)).href;
}

/** What tests start, and what is imported by its place. */
const ENTRIES = ['cli', 'index', 'core/policy', 'policies/index'] as const;
/** How sources name the module beside them that a process or a thread begins with. */
const STARTED = /moduleBeside\('([^']+)'|`\.\/([^`$]+)\$\{ending\}`/g;

export async function setup(): Promise<void> {
  if (isFresh()) return;
  const { build } = await import('rolldown');
  const making = `${place}-${process.pid}`;
  mkdirSync(making, { recursive: true });
  cpSync(join(root, 'package.json'), join(making, 'package.json'));
  symlinkSync(join(root, 'schema'), join(making, 'schema'));
  await build({
    input: {
      ...Object.fromEntries(
        [...ENTRIES, ...findStarted()].map((name) => [name, join(root, 'src', `${name}.ts`)]),
      ),
      // For code that a test writes: by its own name it would be loaded once more.
      zod: join(root, 'node_modules/zod/index.js'),
    },
    platform: 'node',
    plugins: [keepPlaces],
    output: {
      dir: join(making, 'dist'),
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: 'chunks/[name]-[hash].js',
    },
    logLevel: 'warn',
  });
  rmSync(place, { recursive: true, force: true });
  renameSync(making, place);
}

/** Finds the modules that processes and threads begin with. */
function findStarted(): string[] {
  return globSync('**/*.ts', { cwd: join(root, 'src') }).flatMap((file) =>
    [...readFileSync(join(root, 'src', file), 'utf8').matchAll(STARTED)].map(([, thread, process]) =>
      join(dirname(file), (thread ?? process) as string),
    ),
  );
}

/** Has each module of ours say where it is in `dist/`, whichever file it stands in. */
const keepPlaces: Plugin = {
  name: 'keep-places',
  transform: (code, id) => sayPlace(code, moduleOf(id)),
};

/** Has a gateway within a test's own process start from there, too, the process that reads a configuration beside it. */
export const startsFromBundle: Plugin = {
  name: 'starts-from-bundle',
  transform(code, id) {
    const module = moduleOf(id);
    return STARTERS.includes(module) ? sayPlace(code, module) : undefined;
  },
};

const STARTERS = ['config/load-in-child', 'gateway/life/reload-config'];

/** Names a module as `ENTRIES` does. */
function moduleOf(id: string): string {
  return relative(join(root, 'src'), id).replace(/\.ts$/, '');
}

function sayPlace(code: string, module: string): string | undefined {
  if (module.startsWith('..') || !code.includes('import.meta.url')) return undefined;
  const url = pathToFileURL(join(place, 'dist', `${module}.js`)).href;
  return code.replaceAll('import.meta.url', JSON.stringify(url));
}

function isFresh(): boolean {
  if (!existsSync(CLI)) return false;
  const builtAt = statSync(CLI).mtimeMs;
  const sources = globSync(['src/**', 'package-lock.json', 'test/support/bundled-gateway.ts'], { cwd: root });
  return sources.every((file) => statSync(join(root, file)).mtimeMs < builtAt);
}
