import { Worker } from 'node:worker_threads';
import type { Clock } from '../clock.ts';
import type { ThreadCall, ThreadResult } from './serve-thread.ts';

export interface FileThreadOptions {
  /** The module that the thread runs; it calls `serveThread`. */
  readonly module: URL;
  /** What the module is given: plain data. */
  readonly data: unknown;
  readonly clock: Clock;
  /** Milliseconds that a response may take. Default: 2,000. */
  readonly timeoutMs?: number;
}

/** Says that a thread does not respond: its disk, or a lock on its file, keeps it waiting. */
export class ThreadStalledError extends Error {
  override readonly name = 'ThreadStalledError';
}

const TIMEOUT_MS = 2000;
/** How long the end waits for a thread that the system holds. */
const END_MS = 1000;

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
  readonly cancel: () => void;
}

/** What a promise of the thread's side gives, or the value itself. */
type Resolved<Method> = Method extends (...args: never[]) => infer Result ? Awaited<Result> : never;
type Given<Method> = Method extends (...args: infer Args) => unknown ? Args : never;

/**
 * A thread that waits for a disk, so that the one that serves requests never does. Where it does not respond before the
 * timeout, calls are rejected at once until it does again: nobody queues behind a disk that hangs. One that ends is
 * started again by the next call.
 */
export class FileThread<Methods extends object> {
  private readonly options: FileThreadOptions;
  private readonly waiting = new Map<number, Waiting>();
  private worker: Worker | undefined = undefined;
  private lastId = 0;
  private isStalled = false;
  private isClosed = false;

  constructor(options: FileThreadOptions) {
    this.options = options;
  }

  /**
   * Calls a method of the other side. `timeoutMs` is for what may take longer than other calls; `Infinity` for what must
   * not be done twice, and so not be given up.
   */
  call<Name extends keyof Methods & string>(
    method: Name,
    args: Given<Methods[Name]>,
    timeoutMs = this.options.timeoutMs ?? TIMEOUT_MS,
  ): Promise<Resolved<Methods[Name]>> {
    if (this.isClosed) return Promise.reject(new TypeError('the thread is closed'));
    if (this.isStalled) return Promise.reject(new ThreadStalledError('the disk does not respond'));
    const worker = this.start();
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      const cancel = Number.isFinite(timeoutMs)
        ? this.options.clock.after(timeoutMs, () => this.giveUp(id, timeoutMs))
        : () => {};
      this.waiting.set(id, { resolve, reject, cancel });
      worker.ref();
      worker.postMessage({ id, method, args } satisfies ThreadCall);
    });
  }

  /** Ends the thread, if it can be, when it has done what it was asked for. */
  async close(): Promise<void> {
    this.isClosed = true;
    const { worker } = this;
    if (worker === undefined) return;
    worker.unref();
    await Promise.race([
      worker.terminate(),
      new Promise<void>((resolve) => void setTimeout(resolve, END_MS).unref()),
    ]);
  }

  private start(): Worker {
    if (this.worker !== undefined) return this.worker;
    const { module, data } = this.options;
    const worker = new Worker(module, { workerData: data, execArgv: [] });
    worker.on('message', (response: ThreadResult) => this.take(worker, response));
    worker.on('error', (error) => this.end(worker, error as Error));
    worker.on('exit', () => this.end(worker, new Error('the thread has ended')));
    this.worker = worker;
    return worker;
  }

  private take(worker: Worker, response: ThreadResult): void {
    this.isStalled = false;
    const waiting = this.waiting.get(response.id);
    this.forget(response.id, worker);
    if (waiting === undefined) return;
    if ('fault' in response) waiting.reject(Object.assign(new Error(response.fault.message), response.fault));
    else waiting.resolve(response.value as never);
  }

  private giveUp(id: number, timeoutMs: number): void {
    this.isStalled = true;
    const waiting = this.waiting.get(id);
    this.forget(id, this.worker);
    waiting?.reject(new ThreadStalledError(`the disk does not respond within ${timeoutMs} ms`));
  }

  private end(worker: Worker, error: Error): void {
    if (this.worker !== worker) return;
    this.worker = undefined;
    this.isStalled = false;
    for (const [id, { reject }] of this.waiting) {
      this.forget(id, undefined);
      reject(error);
    }
  }

  /** Nobody who has no response to come keeps the process alive. */
  private forget(id: number, worker: Worker | undefined): void {
    this.waiting.get(id)?.cancel();
    this.waiting.delete(id);
    if (this.waiting.size === 0) worker?.unref();
  }
}

/** Names a module beside another one, as it is in `src` and as it is in `dist`. */
export function moduleBeside(name: string, url: string): URL {
  return new URL(`./${name}${url.endsWith('.ts') ? '.ts' : '.js'}`, url);
}
