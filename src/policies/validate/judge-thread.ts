import { Worker } from 'node:worker_threads';
import type { Clock } from '../../core/clock.ts';
import { moduleBeside } from '../../core/disk/file-thread.ts';
import { GatewayError } from '../../core/errors.ts';
import type { BodyFault } from './body-fault.ts';
import type { BodyVerdict, JsonBodySpec } from './body-judge.ts';

/** What the thread is asked. A schema is sent with its first body. */
export interface JudgeCall {
  readonly key: number;
  readonly spec: JsonBodySpec | undefined;
  readonly bytes: Uint8Array;
}

/** What it answers: a verdict, or that it could not judge. */
export type JudgeAnswer = { readonly verdict: BodyVerdict } | { readonly error: string };

export type ThreadVerdict = BodyVerdict | { readonly fault: BodyFault };

interface Waiting {
  readonly key: number;
  readonly spec: JsonBodySpec;
  readonly bytes: Buffer;
  readonly resolve: (verdict: ThreadVerdict) => void;
  readonly reject: (error: Error) => void;
}

/** Far longer than the largest body takes that a sound schema judges. */
const LIMIT_MS = 2000;
/** More than this many bodies wait for nothing but their time limit. */
const MAX_WAITING = 64;

/**
 * Judges bodies in a thread beside, one after the other, so that large ones keep nobody else waiting. What takes too long is
 * ended with its thread, and is then too complex.
 */
export class JudgeThread {
  private readonly clock: Clock;
  private readonly waiting: Waiting[] = [];
  private readonly keys = new WeakMap<JsonBodySpec, number>();
  /** The schemas that the thread has got. */
  private readonly sent = new Set<number>();
  private lastKey = 0;
  private worker: Worker | undefined = undefined;
  private current: Waiting | undefined = undefined;
  private cancelLimit: () => void = () => {};

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Judges one body. Rejects with a `GatewayError` where too many wait. */
  judge(spec: JsonBodySpec, bytes: Buffer): Promise<ThreadVerdict> {
    if (this.waiting.length >= MAX_WAITING)
      return Promise.reject(new GatewayError('GW_OVERLOADED', { reason: 'validate' }));
    const key = this.keys.get(spec) ?? ++this.lastKey;
    this.keys.set(spec, key);
    return new Promise((resolve, reject) => {
      this.waiting.push({ key, spec, bytes, resolve, reject });
      if (this.current === undefined) this.next();
    });
  }

  close(): void {
    this.cancelLimit();
    void this.worker?.terminate();
    this.worker = undefined;
  }

  private next(): void {
    const next = this.waiting.shift();
    this.current = next;
    if (next === undefined) {
      this.worker?.unref();
      return;
    }
    const worker = this.start();
    worker.ref();
    const spec = this.sent.has(next.key) ? undefined : next.spec;
    this.sent.add(next.key);
    this.cancelLimit = this.clock.after(LIMIT_MS, () => {
      this.stop();
      this.settle(({ resolve }) => resolve({ fault: 'too-complex' }));
    });
    worker.postMessage({ key: next.key, spec, bytes: next.bytes } satisfies JudgeCall);
  }

  private start(): Worker {
    if (this.worker !== undefined) return this.worker;
    const worker = new Worker(moduleBeside('judge-thread-entry', import.meta.url), { execArgv: [] });
    const end = (error: Error): void => {
      if (this.worker !== worker) return;
      this.stop();
      this.settle(({ reject }) => reject(error));
    };
    worker.on('message', (answer: JudgeAnswer) => {
      if (this.worker !== worker) return;
      if ('error' in answer) this.settle(({ reject }) => reject(new Error(answer.error)));
      else this.settle(({ resolve }) => resolve(withBuffer(answer.verdict)));
    });
    worker.on('error', (error) => end(error as Error));
    worker.on('exit', () => end(new Error('the thread that judges bodies has ended')));
    this.worker = worker;
    return worker;
  }

  private stop(): void {
    const { worker } = this;
    this.worker = undefined;
    this.sent.clear();
    void worker?.terminate();
  }

  private settle(give: (waiting: Waiting) => void): void {
    const { current } = this;
    this.cancelLimit();
    this.next();
    if (current !== undefined) give(current);
  }
}

/** A buffer that crossed threads is an array of bytes. */
function withBuffer(verdict: BodyVerdict): BodyVerdict {
  if (verdict.fault !== undefined || verdict.replaced === undefined) return verdict;
  const { buffer, byteOffset, byteLength } = verdict.replaced as Uint8Array;
  return { ...verdict, replaced: Buffer.from(buffer, byteOffset, byteLength) };
}
