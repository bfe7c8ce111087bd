/** Compiles src/ into dist/. Prints only errors. Does nothing when dist/ is newer than everything it is made of. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const dist = path.join(root, 'dist');
// Written last, so that a build that broke off is never taken for a whole one.
const stamp = path.join(dist, '.built');

function newestSource(): number {
  const sources = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' });
  const files = [
    ...sources.map((name) => `src/${name}`),
    'src',
    'tsconfig.json',
    'tsconfig.build.json',
    'package-lock.json',
  ];
  return Math.max(...files.map((name) => statSync(path.join(root, name)).mtimeMs));
}

function build(): number {
  rmSync(dist, { recursive: true, force: true });
  const startedAt = new Date();
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--noEmitOnError'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) return status ?? 1;
  const cli = path.join(dist, 'cli.js');
  if (existsSync(cli)) chmodSync(cli, 0o755);
  writeFileSync(stamp, '');
  // A source saved while the compiler ran counts as newer.
  utimesSync(stamp, startedAt, startedAt);
  return 0;
}

const isFresh = existsSync(stamp) && statSync(stamp).mtimeMs > newestSource();
process.exitCode = isFresh ? 0 : build();
