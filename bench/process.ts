import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, readdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';

/** How a process is started. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where its standard output goes; nowhere by default. */
  readonly stdout?: string;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) killGroup(child);
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

/** Starts a process that may run on one core only. Its complaints go to `errorFile`. It ends with this process. */
export function startPinned(core: number, command: Command, errorFile: string): ChildProcess {
  const args = ['-c', String(core), command.file, ...command.args];
  return startProcess({ ...command, file: 'taskset', args }, errorFile);
}

/** The same on any core. */
export function startProcess(command: Command, errorFile: string): ChildProcess {
  const child = spawn(command.file, command.args, {
    env: { ...process.env, ...command.env },
    // A group of its own, so that its workers can be ended with it.
    detached: true,
    stdio: ['ignore', command.stdout ? openSync(command.stdout, 'w') : 'ignore', openSync(errorFile, 'w')],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** Ends a process that was started here, with force if it takes longer than `patienceMs`. */
export async function stopProcess(child: ChildProcess, patienceMs = 3000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const force = setTimeout(() => killGroup(child), patienceMs);
  await exited;
  clearTimeout(force);
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-(child.pid as number), 'SIGKILL');
  } catch {
    // gone meanwhile
  }
}

/** Finds a free port of the loopback interface. */
export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Waits until `port` takes connections; fails when `child` ends before or after 30 seconds. */
export async function waitForPort(port: number, child: ChildProcess): Promise<void> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; ) {
    if (child.exitCode !== null)
      throw new Error(`ended with exit code ${child.exitCode} instead of listening`);
    if (await takesConnections(port)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on port ${port}`);
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.once('connect', () => socket.destroy());
    socket.once('error', () => resolve(false));
  });
}

/** CPU time and resident memory of a process with all that it has started. */
export interface Usage {
  readonly cpuMicroseconds: number;
  readonly residentMiB: number;
}

const MICROSECONDS_PER_TICK = 10_000; // USER_HZ is 100 on every Linux
const PAGES_PER_MIB = 256;

/** Reads what the operating system accounts to the tree of processes under `pid`, ended children included. */
export function readUsage(pid: number): Usage {
  let ticks = 0;
  let pages = 0;
  for (const member of processTree(pid)) {
    const fields = readStat(member);
    if (!fields) continue;
    ticks += Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]);
    pages += Number(fields[21]);
  }
  return { cpuMicroseconds: ticks * MICROSECONDS_PER_TICK, residentMiB: pages / PAGES_PER_MIB };
}

/** The fields of /proc/<pid>/stat behind the process name, so `[0]` is the third of proc(5). */
function readStat(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

function processTree(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (pid > 0) parents.set(pid, Number(readStat(pid)?.[1] ?? 0));
  }
  const tree = [root];
  for (let i = 0; i < tree.length; i++) {
    for (const [pid, parent] of parents) if (parent === tree[i]) tree.push(pid);
  }
  return tree;
}
