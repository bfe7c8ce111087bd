/**
 * Makes sure that commands of the system are there: `node scripts/ensure-packages.ts nginx haproxy`.
 * What is missing is installed as the Debian package of the same name where that is possible, else named.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import path from 'node:path';

/** Commands whose Debian package is called otherwise. */
const PACKAGE_OF: Readonly<Record<string, string>> = {
  // The package of that name would start a name server for the whole machine.
  dnsmasq: 'dnsmasq-base',
  go: 'golang-go',
  h2load: 'nghttp2-client',
  taskset: 'util-linux',
};

// Daemons live in sbin, which is not on every user's PATH.
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Finds the file of a command, or returns `undefined`. */
export function findCommand(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), ...SYSTEM_FOLDERS];
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Installs the packages of the commands that are missing. Throws, naming them, where that cannot be done. */
export function ensureCommands(names: readonly string[]): void {
  const missing = names.filter((name) => findCommand(name) === undefined);
  if (missing.length === 0) return;
  const packages = missing.map((name) => PACKAGE_OF[name] ?? name);
  install(packages, missing);
  const absent = missing.filter((name) => findCommand(name) === undefined);
  if (absent.length > 0)
    throw new Error(`Missing though ${packages.join(' ')} is there: ${absent.join(', ')}`);
}

/** The same for files, given with their packages. */
export function ensureFiles(packageOf: Readonly<Record<string, string>>): void {
  const isMissing = (file: string): boolean => !existsSync(file);
  const missing = Object.keys(packageOf).filter(isMissing);
  if (missing.length > 0) install([...new Set(missing.map((file) => packageOf[file] as string))], missing);
  const absent = missing.filter(isMissing);
  if (absent.length > 0) throw new Error(`Missing though its package is there: ${absent.join(', ')}`);
}

/** Installs packages. Throws, naming them and what of them is missed, where that cannot be done. */
function install(packages: readonly string[], missed: readonly string[]): void {
  const names = packages.join(' ');
  if (process.getuid?.() !== 0 || findCommand('apt-get') === undefined)
    throw new Error(`Missing: ${missed.join(', ')}. Install the packages: ${names}`);
  console.error(`Installing ${names}`);
  aptGet(['update', '-qq']);
  aptGet(['install', '-y', '-qq', '--no-install-recommends', ...packages]);
}

function aptGet(args: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, stdout, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`apt-get ${args.join(' ')} failed:\n${stdout}${stderr}`);
}

if (import.meta.main) {
  try {
    ensureCommands(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
