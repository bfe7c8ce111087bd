import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type Contestant, startContestant } from './contestant.ts';
import type { RunOptions } from './measure.ts';
import type { Peer } from './peer.ts';
import { machineNote } from './report.ts';
import { CORES } from './workplace.ts';

const CONNECTIONS = 10_000;

/** Measures the memory that an idle keep-alive connection costs each peer, after one request on each of many. */
export async function measureIdle(peers: readonly Peer[], run: RunOptions): Promise<string> {
  const rows: string[] = [];
  for (const peer of peers) {
    const contestant = await startContestant(peer, {
      ...run,
      isObserved: true,
      tls: undefined,
      routes: 0,
      chain: undefined,
    });
    try {
      rows.push(await measureContestant(contestant));
    } finally {
      await contestant.stop();
    }
  }
  return [
    `## ${CONNECTIONS.toLocaleString('en')} idle keep-alive connections`,
    '',
    '| | RSS before, MiB | RSS with them, MiB | KiB each |',
    '| --- | --: | --: | --: |',
    ...rows,
    '',
    `After one request on each connection. ${machineNote()}`,
    '',
  ].join('\n');
}

async function measureContestant(contestant: Contestant): Promise<string> {
  // Only a few: what a warm JavaScript heap holds free would hide what the connections take.
  (await openConnections(contestant.port, 500)).kill();
  await wait(2000);
  const before = contestant.usage().residentMiB;
  const client = await openConnections(contestant.port, CONNECTIONS);
  await wait(3000);
  const after = contestant.usage().residentMiB;
  client.kill();
  const each = ((after - before) * 1024) / CONNECTIONS;
  return `| ${contestant.label} | ${before.toFixed(0)} | ${after.toFixed(0)} | ${each.toFixed(1)} |`;
}

function openConnections(port: number, count: number): Promise<ChildProcess> {
  const script = path.join(import.meta.dirname, 'idle-client.ts');
  const args = ['-c', String(CORES.load), process.execPath, script, String(port), String(count)];
  const child = spawn('taskset', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    child.stdout.once('data', () => resolve(child));
    child.once('exit', (code) => reject(new Error(`the idle client ended with exit code ${code}`)));
  });
}
