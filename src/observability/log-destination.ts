import { write, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { type Clock, systemClock } from '../core/clock.ts';

/** Lines of this many characters together go out at once; fewer wait for the next flush. */
const CHUNK_LENGTH = 64 * 1024;
const FLUSH_INTERVAL_MS = 500;
/** What may wait while the reader of the log takes no more. Lines beyond it are dropped. */
const MAX_WAITING_LENGTH = 4 * 1024 * 1024;
const RETRY_DELAY_MS = 20;
/** How long the end of the process may wait for a reader that takes no more. */
const MAX_FINAL_WAIT_MS = 1_000;

/** Where log lines go: buffered, bounded, and never waited for. */
export interface LogDestination {
  /** How many lines were dropped because the other end took no more. */
  readonly droppedLines: number;
  /** Why lines are not written for now; `undefined` while they are. */
  readonly problem?: string | undefined;
  /** Takes one line of JSON, closed by a line feed. */
  write(line: string): void;
  /** Hands over what is buffered before it returns. For a process that is about to end. */
  flushSync(): void;
  /** Resolves when what is buffered is out. Lines written afterwards are handed over one by one. */
  close(): Promise<void>;
}

export interface LogDestinationOptions {
  /** File descriptor to write to. Default 1, standard output. */
  readonly fd?: number;
  /** Whether lines are made for reading. Default: whether `fd` is a terminal. */
  readonly pretty?: boolean;
  readonly clock?: Clock;
}

/** Opens the place to which all logs of this process go: one for each file descriptor, so that lines keep their order. */
export async function openLogDestination(options: LogDestinationOptions = {}): Promise<LogDestination> {
  const { fd = 1, clock = systemClock } = options;
  if (!(options.pretty ?? isatty(fd))) return new BufferedDestination(fd, clock, undefined);
  const { createPrettyFormat } = await import('./pretty-format.ts');
  return new BufferedDestination(fd, clock, createPrettyFormat());
}

/**
 * Gathers lines in one string and writes it when nothing is under way. (SonicBoom, which pino would use, measures the
 * whole of its buffer again for each line, and drops nothing by count.)
 */
class BufferedDestination implements LogDestination {
  droppedLines = 0;
  problem: string | undefined = undefined;
  private waiting = '';
  /** What was handed over and not taken yet, and whether the system has it right now. */
  private chunk: Buffer | undefined;
  private isWriting = false;
  private isBroken = false;
  private isClosed = false;
  private unreportedDrops = 0;
  private onEmpty: (() => void) | undefined;
  private readonly fd: number;
  private readonly clock: Clock;
  private readonly format: ((line: string) => string) | undefined;
  private readonly stopFlushing: () => void;
  private readonly onExit = () => this.flushSync();

  constructor(fd: number, clock: Clock, format: ((line: string) => string) | undefined) {
    this.fd = fd;
    this.clock = clock;
    this.format = format;
    this.stopFlushing = clock.every(FLUSH_INTERVAL_MS, () => this.flush());
    process.on('exit', this.onExit);
  }

  write(line: string): void {
    if (this.isBroken || this.waiting.length > MAX_WAITING_LENGTH) {
      this.droppedLines++;
      this.unreportedDrops++;
      this.problem ??= 'nobody reads the log: its lines are dropped';
      return;
    }
    this.hold(line);
    if (this.isClosed) this.flushSync();
    else if (this.waiting.length >= CHUNK_LENGTH && this.chunk === undefined) this.flush();
  }

  flushSync(): void {
    // A chunk that the system has right now will be written by it; one that waits for another try is ours.
    const retried = this.isWriting ? undefined : this.chunk;
    const rest = Buffer.concat([retried ?? Buffer.alloc(0), Buffer.from(this.waiting)]);
    if (retried) this.chunk = undefined;
    this.waiting = '';
    if (!this.isBroken) writeAllSync(this.fd, rest, this.clock);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      const giveUp = this.clock.after(MAX_FINAL_WAIT_MS, () => this.finish(resolve));
      this.onEmpty = () => {
        giveUp();
        this.finish(resolve);
      };
      if (this.chunk === undefined) this.flush();
      if (this.chunk === undefined) this.onEmpty();
    });
  }

  private hold(line: string): void {
    this.waiting += this.format === undefined ? line : this.format(line);
  }

  private finish(resolve: () => void): void {
    this.onEmpty = undefined;
    this.isClosed = true;
    this.stopFlushing();
    process.off('exit', this.onExit);
    resolve();
  }

  private flush(): void {
    if (this.isWriting || this.isBroken) return;
    if (this.chunk === undefined) {
      if (this.waiting === '') return;
      this.chunk = Buffer.from(this.waiting);
      this.waiting = '';
    }
    this.isWriting = true;
    write(this.fd, this.chunk, 0, this.chunk.length, null, (error, written) =>
      this.onWritten(error, written),
    );
  }

  private onWritten(error: NodeJS.ErrnoException | null, written: number): void {
    this.isWriting = false;
    if (error) {
      this.onError(error);
      return;
    }
    this.problem = undefined;
    const rest = this.chunk?.subarray(written);
    this.chunk = rest && rest.length > 0 ? rest : undefined;
    if (this.chunk === undefined && this.unreportedDrops > 0) this.reportDrops();
    if (this.chunk || this.waiting.length >= CHUNK_LENGTH || this.onEmpty) this.flush();
    if (this.chunk === undefined) this.onEmpty?.();
  }

  private onError(error: NodeJS.ErrnoException): void {
    if (error.code === 'EAGAIN' || error.code === 'EBUSY') {
      // Where it has no room for long, lines are dropped.
      this.clock.after(RETRY_DELAY_MS, () => this.flush());
    } else if (error.code === 'EPIPE' || error.code === 'EBADF') {
      // Nobody will ever read on; the requests matter more than their log.
      this.isBroken = true;
      this.problem = `the log cannot be written (${error.code}): its lines are dropped`;
      this.chunk = undefined;
      this.waiting = '';
      this.onEmpty?.();
    } else {
      // Such as a full disk, which may pass: the next flush tries again.
      this.problem = `the log cannot be written (${error.code}): its lines wait, and are dropped beyond 4 MiB`;
    }
  }

  private reportDrops(): void {
    const msg = 'log lines were dropped, since they were not read before the timeout';
    this.hold(
      `${JSON.stringify({ level: 40, time: this.clock.now(), dropped: this.unreportedDrops, msg })}\n`,
    );
    this.unreportedDrops = 0;
  }
}

/** Writes all of `bytes`, trying for a while where the reader takes no more. What cannot be written is lost. */
function writeAllSync(fd: number, bytes: Buffer, clock: Clock): void {
  const deadline = clock.monotonic() + MAX_FINAL_WAIT_MS;
  let rest = bytes;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || clock.monotonic() > deadline) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_DELAY_MS);
    }
  }
}
