import { write } from 'node:fs';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import type { Clock } from '../core/clock.ts';
import type { Counter, Log, Metrics } from '../core/services.ts';
import type { LogDestination } from './log-destination.ts';

/** Memory of this process, in bytes, and what it may have. */
export interface MemoryUse {
  readonly heapUsed: number;
  readonly heapLimit: number;
  readonly resident: number;
  /** What the system or the container allows; infinite where nothing says so. */
  readonly residentLimit: number;
}

export interface SelfWatchOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly destination: LogDestination;
  /** Whether the machine's clock is watched too. Default: true. */
  readonly watchesClock?: boolean;
  readonly readMemory?: () => MemoryUse;
  /** Takes a line where the log takes none. Default: standard error. */
  readonly complain?: (line: string) => void;
}

const LOOK_MS = 1000;
/** By how much the machine's clock and the time that has passed may differ from one look to the next. */
const JUMP_MS = 1000;
const SHORT_SHARE = 0.9;
/** Below it there is enough again. */
const ENOUGH_SHARE = 0.8;
const BYTES_PER_MIB = 1024 * 1024;

/** Looks each second whether this process runs out of memory, its log is written, and the clock of the machine was set. */
export class SelfWatch {
  private readonly options: SelfWatchOptions;
  private readonly readMemory: () => MemoryUse;
  private readonly jumps: Counter | undefined;
  private readonly stop: () => void;
  private memoryProblem: string | undefined = undefined;
  private logProblem: string | undefined = undefined;
  /** The machine's clock less the time that has passed. */
  private offsetMs: number;

  constructor(options: SelfWatchOptions) {
    const { clock, metrics, watchesClock = true, readMemory = readOwnMemory } = options;
    this.options = options;
    this.readMemory = readMemory;
    this.offsetMs = clock.now() - clock.monotonic();
    if (watchesClock)
      this.jumps = metrics.counter(
        'gateway_clock_jumps_total',
        'Times that the clock of the machine was set, by a second or more.',
      );
    this.stop = clock.every(LOOK_MS, () => this.look());
  }

  /** What is amiss, a sentence each. */
  get problems(): readonly string[] {
    return [this.memoryProblem, this.logProblem].filter((problem) => problem !== undefined);
  }

  close(): void {
    this.stop();
  }

  private look(): void {
    if (this.jumps !== undefined) this.lookAtClock(this.jumps);
    this.lookAtMemory();
    this.lookAtLog();
  }

  private lookAtClock(jumps: Counter): void {
    const { clock, log } = this.options;
    const offsetMs = clock.now() - clock.monotonic();
    const byMs = Math.round(offsetMs - this.offsetMs);
    this.offsetMs = offsetMs;
    if (Math.abs(byMs) < JUMP_MS) return;
    jumps.add();
    log.warn({ byMs }, 'the clock of this machine was set; tokens, certificates and quotas go by it');
  }

  private lookAtMemory(): void {
    const { heapUsed, heapLimit, resident, residentLimit } = this.readMemory();
    const share = Math.max(heapUsed / heapLimit, resident / residentLimit);
    if (share < ENOUGH_SHARE) this.memoryProblem = undefined;
    if (share < SHORT_SHARE || this.memoryProblem !== undefined) return;
    const isHeap = heapUsed / heapLimit >= resident / residentLimit;
    const [used, limit] = isHeap ? [heapUsed, heapLimit] : [resident, residentLimit];
    const mib = (bytes: number): number => Math.round(bytes / BYTES_PER_MIB);
    this.memoryProblem = `memory is short: ${mib(used)} of ${mib(limit)} MiB are in use`;
    const remedy = isHeap ? 'node --max-old-space-size' : 'the memory of the machine or container';
    this.options.log.error(
      { heapUsed, heapLimit, resident, ...(Number.isFinite(residentLimit) && { residentLimit }) },
      `memory is short: this process may end at any moment; raise ${remedy}`,
    );
  }

  private lookAtLog(): void {
    const { destination, clock, complain = writeToStandardError } = this.options;
    const { problem } = destination;
    if (problem !== undefined && this.logProblem === undefined)
      complain(`${JSON.stringify({ level: 50, time: clock.now(), msg: problem })}\n`);
    this.logProblem = problem;
  }
}

function readOwnMemory(): MemoryUse {
  const { used_heap_size: heapUsed, heap_size_limit: heapLimit } = getHeapStatistics();
  const allowed = process.constrainedMemory();
  // Without a limit of its own it is what an unsigned number holds at most.
  const residentLimit = allowed > 0 && allowed < totalmem() ? allowed : Number.POSITIVE_INFINITY;
  return { heapUsed, heapLimit, resident: process.memoryUsage.rss(), residentLimit };
}

/** Not by `process.stderr`, which waits for its reader. */
function writeToStandardError(line: string): void {
  write(2, line, () => {});
}
