import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What the system knows of a process. */
export interface ProcessState {
  readonly residentMiB: number;
  readonly descriptors: number;
}

const PAGES_PER_MIB = 256;

/** Reads it; zeros of a process that has ended. */
export function readState(pid: number): ProcessState {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
    return { residentMiB: pages / PAGES_PER_MIB, descriptors: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return { residentMiB: 0, descriptors: 0 };
  }
}

/** The processes that `parent` has started and that call themselves so, the oldest first. */
export function childrenOf(parent: number, title = ''): number[] {
  const text = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8');
  const all = text.trim().split(' ').map(Number);
  return all.filter((pid) => pid > 0 && readTitle(pid).startsWith(title));
}

function readTitle(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** The ports of all that is connected to a process, as this machine numbers them. */
export function remotePortsOf(pid: number): Set<number> {
  const inodes = new Set(socketInodes(pid));
  const lines = readFileSync('/proc/net/tcp', 'latin1').trim().split('\n').slice(1);
  const ports = lines.flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    return inodes.has(fields[9] as string)
      ? [Number.parseInt((fields[2] as string).split(':')[1] as string, 16)]
      : [];
  });
  return new Set(ports);
}

function socketInodes(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${fd}`))?.[1] ?? [];
    } catch {
      // closed meanwhile
      return [];
    }
  });
}
