/** Everything that must hold besides the tests: `npm run check`. Runs all steps and fails at the end, naming them. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const MAX_FILE_LINES = 400;

/** A step returns its problems, or runs a command that prints them and returns whether it failed. */
type Step = () => readonly string[] | boolean;

const steps: Readonly<Record<string, Step>> = {
  'format and lint': () => runFails('@biomejs/biome/bin/biome', 'ci', '--error-on-warnings', '.'),
  // The examples import the package by its name, which leads to dist/.
  build: () => run(path.join(root, 'scripts/build.ts')),
  types: () => runFails('typescript/bin/tsc', '-p', 'tsconfig.json'),
  architecture: () => runFails('vitest/vitest.mjs', 'run', '--reporter=dot', 'test/architecture.test.ts'),
  'generated files': () => run(path.join(root, 'scripts/generate.ts'), '--check'),
  'file lengths': findLongFiles,
  'nothing of one machine': findMachineTraces,
};

function runFails(binary: string, ...args: string[]): boolean {
  return run(path.join(root, 'node_modules', binary), ...args);
}

function run(...args: string[]): boolean {
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status !== 0;
}

function trackedFiles(): string[] {
  const { stdout } = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  return stdout.split('\0').filter((name) => name !== '');
}

function readText(name: string): string {
  try {
    return readFileSync(path.join(root, name), 'utf8');
  } catch {
    return ''; // deleted, but not yet in a commit
  }
}

function findLongFiles(): string[] {
  return trackedFiles()
    .filter((name) => name.startsWith('src/'))
    .map((name) => ({ name, lines: readText(name).split('\n').length - 1 }))
    .filter(({ lines }) => lines > MAX_FILE_LINES)
    .map(({ name, lines }) => `${name} has ${lines} lines; at most ${MAX_FILE_LINES}`);
}

/** Finds paths and registry hosts that mean something only where the file was written. */
function findMachineTraces(): string[] {
  const traces = [/\/(?:home|Users)\/[a-z][\w.-]*\//, /"resolved": "https?:/, /registry\.\w+\.(?:org|com)\b/];
  return trackedFiles().flatMap((name) =>
    readText(name)
      .split('\n')
      .flatMap((line, i) =>
        line.includes(`${root}/`) || traces.some((trace) => trace.test(line))
          ? [`${name}:${i + 1}: ${line.trim()}`]
          : [],
      ),
  );
}

const failed = Object.entries(steps).filter(([name, step]) => {
  console.log(`— ${name}`);
  const outcome = step();
  if (typeof outcome === 'boolean') return outcome;
  for (const problem of outcome) console.error(problem);
  return outcome.length > 0;
});
if (failed.length > 0) {
  console.error(`\nFailed: ${failed.map(([name]) => name).join(', ')}`);
  process.exitCode = 1;
}
