import { spawnSync } from 'node:child_process';
import path from 'node:path';

/** The environment of a shell in which `npm run` was not called, with the Node that runs this first. */
export function shellEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('npm_') || /^npm_config_(registry|cache)$/i.test(name),
  );
  const bin = path.dirname(process.execPath);
  return { ...Object.fromEntries(kept), PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}` };
}

/** Runs a command to its end and gives what it wrote. Throws with that where it fails. */
export function run(cwd: string, command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = attemptRun(cwd, command, ...args);
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
}

/** Runs a command to its end, whatever becomes of it. */
export function attemptRun(cwd: string, command: string, ...args: readonly string[]) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: shellEnvironment(),
    maxBuffer: 2 ** 26,
  });
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}
