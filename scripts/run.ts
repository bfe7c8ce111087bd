/**
 * Runs Node with the arguments given, and ends it when the shell ends that npm started this by: of SIGTERM to `npm start`
 * the shell dies without passing it on. `exec` in front of the command would do, but not on Windows.
 */
import { spawn } from 'node:child_process';

const LOOK_INTERVAL_MS = 100;

const shell = process.ppid;
const child = spawn(process.execPath, process.argv.slice(2), { stdio: 'inherit' });

process.on('SIGTERM', () => child.kill('SIGTERM'));
// A terminal sends these to both.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});

const looking = setInterval(() => {
  if (process.ppid === shell) return;
  clearInterval(looking);
  child.kill('SIGTERM');
}, LOOK_INTERVAL_MS);

child.on('exit', (code, signal) => {
  clearInterval(looking);
  process.exitCode = code ?? (signal === null ? 0 : 1);
});
