import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CLI } from '../support/bundled-gateway.ts';
import { LOOPBACK, reservePort } from '../support/loopback.ts';
import { until } from '../support/until.ts';
import { readValue } from './pool-of.ts';

/** More than a pipe and the gateway's own memory for its log hold. */
const REQUESTS = 700;
const LONG_PATH = `/${'long/'.repeat(1400)}`;

/** Opens what the log is written to. It ends with the test. */
type OpenLog = (folder: string) => number;

const nobodyReads: OpenLog = (folder) => {
  execFileSync('mkfifo', [join(folder, 'log')]);
  // Open for reading as well, so that it is no broken pipe.
  return openSync(join(folder, 'log'), constants.O_RDWR);
};
const readerIsGone: OpenLog = (folder) => {
  execFileSync('mkfifo', [join(folder, 'log')]);
  const reader = openSync(join(folder, 'log'), constants.O_RDONLY | constants.O_NONBLOCK);
  const log = openSync(join(folder, 'log'), constants.O_WRONLY);
  closeSync(reader);
  return log;
};
const diskIsFull: OpenLog = () => openSync('/dev/full', 'w');

/** Starts a gateway whose log goes there. */
async function start(workers: number, openLog: OpenLog) {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [port, status] = [await reservePort(), await reservePort()];
  const file = join(folder, 'sallyport.json');
  const config = {
    workers,
    listeners: [{ host: LOOPBACK, port }],
    admin: { host: LOOPBACK, port: 0, token: 'test' },
    status: { host: LOOPBACK, port: status },
    drain: { delay: '0s', timeout: '5s' },
    routes: [{ id: 'all', path: '/*', respond: { status: 200, body: 'x' } }],
  };
  await writeFile(file, JSON.stringify(config));
  const log = openLog(folder);
  onTestFinished(() => closeSync(log));
  const child: ChildProcess = spawn(process.execPath, [CLI, 'start', '--config', file], {
    stdio: ['ignore', log, 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const complaints = { text: '' };
  child.stderr?.on('data', (chunk) => {
    complaints.text += chunk;
  });
  const ask = async (path: string): Promise<Response> => fetch(`http://${LOOPBACK}:${status}${path}`);
  await until(() =>
    ask('/readyz').then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return { child, complaints, url: `http://${LOOPBACK}:${port}`, ask };
}

describe.each([
  ['nobody reads the log', nobodyReads],
  ['the disk of the log is full', diskIsFull],
  ['the reader of the log is gone', readerIsGone],
])('while %s', (_, openLog) => {
  it.each([1, 2])(
    'all is served, lines that are lost are counted, and SIGTERM ends it (%i processes)',
    async (workers) => {
      const { child, url, ask, complaints } = await start(workers, openLog);
      for (let asked = 0; asked < REQUESTS; asked += 50) {
        const answers = Array.from({ length: 50 }, async () => (await fetch(url + LONG_PATH)).status);
        expect(await Promise.all(answers)).toEqual(Array(50).fill(200));
      }
      // A file is still read, and so a reload works.
      expect((await ask('/readyz')).status).toBe(200);
      await until(async () => {
        const metrics = await (await ask('/metrics')).text();
        return readValue(metrics, 'gateway_log_lines_dropped_total') > 0;
      });
      // Who watches hears of it, by the port for that and by standard error.
      await until(async () => /the log|nobody reads/.test(await (await ask('/readyz')).text()));
      await until(() => complaints.text.includes('the log'));
      expect(complaints.text.trim().split('\n')).toHaveLength(1);
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      expect(await exited).toEqual([0, null]);
    },
  );
});
