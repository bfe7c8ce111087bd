import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { TestConfig } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { until } from '../support/until.ts';
import { policyCode } from './code.ts';
import { gone, type PoolUnderTest, readValue, startWorkerPool } from './pool-of.ts';

const answering: TestConfig = { routes: [{ id: 'all', path: '/*', respond: { status: 200, body: 'x' } }] };

function withCode(): TestConfig {
  return {
    customPolicies: { 'test/code': './code.mjs' },
    routes: [{ id: 'all', path: '/*', policies: [{ 'test/code': {} }], respond: { status: 204 } }],
  };
}

/** Opens a connection and asks on it at once. Gives what came until the other side closed, which may be nothing. */
function askRaw(port: number): { opened: Promise<void>; received: Promise<string> } {
  const socket: Socket = connect({ host: LOOPBACK, port });
  onTestFinished(() => void socket.destroy());
  socket.write('GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n');
  let received = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    received += text;
  });
  return {
    opened: new Promise((resolve) => socket.once('connect', () => resolve())),
    received: new Promise((resolve) => socket.on('error', () => {}).once('close', () => resolve(received))),
  };
}

async function askMany(pool: PoolUnderTest, count: number): Promise<() => Promise<string[]>> {
  const clients = Array.from({ length: count }, () => askRaw(pool.gateway.port));
  await Promise.all(clients.map(({ opened }) => opened));
  return async () => {
    const all = await Promise.all(clients.map(({ received }) => received));
    return all.map((text) => text.slice(0, 'HTTP/1.1 200'.length));
  };
}

const ALL_WELL = 'HTTP/1.1 200';

/** The sockets that a process has open. */
function socketsOf(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((name) => {
    try {
      return readlinkSync(`${folder}/${name}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;
}

function signalAll(pool: PoolUnderTest, signal: NodeJS.Signals): void {
  for (const pid of pool.pids().values()) process.kill(pid, signal);
}

describe('a connection on its way to a worker', () => {
  it('is answered by another one when that one is killed, with no descriptor left behind', async () => {
    const pool = await startWorkerPool(answering);
    const before = socketsOf(pool.gateway.pid);
    signalAll(pool, 'SIGSTOP');
    const answers = await askMany(pool, 6);
    // Each worker has been sent one that it cannot have read.
    await until(async () => socketsOf(pool.gateway.pid) === before + 6);
    const killed = pool.kill(1);
    process.kill(pool.pids().get(2) as number, 'SIGCONT');
    expect(await answers()).toEqual(Array(6).fill(ALL_WELL));
    await killed.replaced();
    const end = await pool.gateway.line('a worker ended; another one takes its place');
    expect(end).toMatchObject({ worker: 1, handedAgain: 1 });
    await until(() => socketsOf(pool.gateway.pid) <= before);
    expect(readValue(await pool.metrics(), 'gateway_connections_handed_again_total')).toBe(1);
  });

  it('never hangs, though workers are killed while many connect', async () => {
    const pool = await startWorkerPool(answering);
    const before = socketsOf(pool.gateway.pid);
    let isStopped = false;
    const outcomes: string[] = [];
    const clients = Array.from({ length: 12 }, async () => {
      while (!isStopped) outcomes.push((await askRaw(pool.gateway.port).received).slice(0, ALL_WELL.length));
    });
    for (const worker of [1, 2]) {
      const enough = outcomes.length + 100;
      await until(() => outcomes.length > enough);
      await pool.kill(worker).replaced();
    }
    isStopped = true;
    // A connection that hangs would keep this waiting.
    await Promise.all(clients);
    // A worker that is killed may take those along that it had, which clients then see.
    expect(outcomes.filter((outcome) => outcome !== ALL_WELL && outcome !== '')).toEqual([]);
    await until(() => socketsOf(pool.gateway.pid) <= before);
  });

  it('waits for no worker that is still starting, and that one drains', async () => {
    const code = (text: string): string =>
      policyCode(`
        if (existsSync(beside('./stop'))) {
          writeFileSync(beside('./stopped'), String(process.pid));
          process.kill(process.pid, 'SIGSTOP');
        }
        return { onRequest: () => ({ status: 200, body: '${text}' }) };`);
    const pool = await startWorkerPool(withCode(), { 'code.mjs': code('old') });
    const { folder } = pool.gateway;
    const former = [...pool.pids().values()];
    await writeFile(join(folder, 'stop'), '');
    await writeFile(join(folder, 'code.mjs'), code('new'));
    const reloading = pool.admin('/api/reload', 'POST');
    const stopped = join(folder, 'stopped');
    await until(() => existsSync(stopped) && readFileSync(stopped, 'utf8') !== '');
    const starting = Number(readFileSync(stopped, 'utf8'));
    await rm(join(folder, 'stop'));
    const answers = await askMany(pool, 6);
    expect(await answers()).toEqual(Array(6).fill(ALL_WELL));
    process.kill(starting, 'SIGCONT');
    expect((await reloading).status).toBe(200);
    for (const each of former) await gone(each);
    expect(await (await askMany(pool, 6))()).toEqual(Array(6).fill(ALL_WELL));
    pool.gateway.signal('SIGTERM');
    expect(await pool.gateway.exit()).toBe(0);
    expect(pool.gateway.lines.some(({ code }) => code === 'GW_SHUTTING_DOWN')).toBe(false);
  });

  it('goes to another worker when one has no descriptor left for it', async () => {
    const pool = await startWorkerPool(answering);
    const poor = pool.pids().get(1) as number;
    const open = new Set(readdirSync(`/proc/${poor}/fd`).map(Number));
    let free = 0;
    while (open.has(free)) free++;
    execFileSync('prlimit', ['--pid', String(poor), `--nofile=${free}`]);
    // With two workers in turn, one of two comes to the poor one first.
    expect(await (await askMany(pool, 2))()).toEqual([ALL_WELL, ALL_WELL]);
    expect(pool.gateway.lines.some(({ msg }) => String(msg).startsWith('a worker ended'))).toBe(false);
    expect(readValue(await pool.metrics(), 'gateway_connections_handed_again_total')).toBe(1);
  });
});
