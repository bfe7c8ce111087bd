import type { Clock } from '../core/clock.ts';
import type { Counter, Log, Metrics } from '../core/services.ts';
import type { IdempotencyStore } from '../core/stores/idempotency-store.ts';
import type { LimitStore } from '../core/stores/limit-store.ts';
import type { OnceStore } from '../core/stores/once-store.ts';
import type { LogDestination } from '../observability/log-destination.ts';
import type { HandOver } from './hand-over.ts';
import { purgeWorkers } from './purge-workers.ts';
import { RestartDelay } from './restart-delay.ts';
import { TaskQueue } from './task-queue.ts';
import type { WorkerSetup } from './worker-contract.ts';
import { type SharedConfig, WorkerProcess } from './worker-process.ts';

export interface WorkerPoolOptions {
  readonly count: number;
  readonly setup: WorkerSetup;
  readonly clock: Clock;
  readonly log: Log;
  readonly destination: LogDestination;
  readonly metrics: Metrics;
  /** The counters of limits that all workers share. */
  readonly limits: LimitStore;
  /** What is good once in all of them. */
  readonly once: OnceStore;
  /** Where they all note idempotency keys. */
  readonly idempotency: IdempotencyStore;
  /** Gives them connections. */
  readonly handOver: HandOver;
  /** How long an event loop may stand still before its worker is killed and replaced. */
  readonly stalledAfterMs: number;
  /** What a worker that is started has to run. */
  readonly current: () => SharedConfig;
  /** Told the last metrics of a worker that has ended. */
  readonly onMetricsOfEnded: (text: string) => void;
}

/** A place that one worker after the other has. */
interface Place {
  readonly number: number;
  readonly delay: RestartDelay;
  worker: WorkerProcess | undefined;
  cancelRestart: () => void;
}

/** How long a process may take until its event loop turns for the first time: it imports much before. */
const BOOT_MS = 60_000;
const WATCH_INTERVAL_MS = 500;
/** How much longer than the time to drain a worker may take until it is killed. */
const STOP_GRACE_MS = 1500;
/** How long a worker that is replaced lets idle connections wait for one more request. */
const GRACE_PERIOD_MS = 5000;

/** The workers: as many as asked for, those that end replaced. What changes who is there happens one at a time. */
export class WorkerPool {
  private readonly options: WorkerPoolOptions;
  private readonly places: readonly Place[];
  /** All that have not ended, those that still drain or only start included. */
  private readonly processes = new Set<WorkerProcess>();
  private readonly turns = new TaskQueue();
  private isEnding = false;
  private lastLookAt: number;
  private readonly stopWatching: () => void;

  constructor(options: WorkerPoolOptions) {
    this.options = options;
    this.places = Array.from({ length: options.count }, (_, i) => ({
      number: i + 1,
      delay: new RestartDelay(),
      worker: undefined,
      cancelRestart: () => {},
    }));
    this.lastLookAt = options.clock.monotonic();
    this.stopWatching = options.clock.every(WATCH_INTERVAL_MS, () => this.killStalled());
    for (const reason of ['ended', 'hung'] as const) this.countRestart(reason);
    options.metrics.gauge('gateway_workers', 'Workers that serve.', {}, () => this.serving.length);
  }

  /** The workers that take requests. */
  get serving(): WorkerProcess[] {
    return this.places.flatMap(({ worker }) => (worker?.isServing ? worker : []));
  }

  /** All that have served and have not ended, those that drain included. */
  get started(): WorkerProcess[] {
    return [...this.processes].filter(({ hasServed }) => hasServed);
  }

  get count(): number {
    return this.places.length;
  }

  /** Does something while nobody else changes who is there. Places that wait for a worker are filled first. */
  runInOrder<Result>(task: () => Promise<Result>): Promise<Result> {
    return this.turns.take(task);
  }

  /** Starts all workers. Rejects, with none left, when one of them cannot start. */
  async start(): Promise<void> {
    const starting = this.places.map((place) => this.fill(place, this.options.current()));
    try {
      await Promise.all(starting);
    } catch (error) {
      this.kill();
      await Promise.allSettled([...starting, ...[...this.processes].map(({ ended }) => ended)]);
      throw error;
    }
  }

  /**
   * Replaces the workers one by one with such that run `shared`. Rejects, with nothing changed, when the first one
   * cannot start; `onFirst` is called when it serves.
   */
  async replaceAll(shared: SharedConfig, onFirst: () => void): Promise<void> {
    for (const place of this.places) {
      if (this.isEnding) throw new Error('the gateway is draining');
      const former = place.worker;
      try {
        await this.fill(place, shared);
      } catch (error) {
        if (place === this.places[0]) throw error;
        this.noteFailedStart(place, error);
      }
      if (place === this.places[0]) onFirst();
      if (former !== undefined && !former.hasEnded) void this.stop(former, GRACE_PERIOD_MS);
    }
  }

  /** Drains all workers and waits for their end. Idle connections end after `gracePeriodMs`, or as is usual. */
  async drain(gracePeriodMs?: number): Promise<void> {
    this.end();
    await Promise.all(
      [...this.processes].map((worker) => {
        if (worker.isServing) return this.stop(worker, gracePeriodMs);
        // It is being started, or has been told already.
        if (!worker.isStopping) worker.kill();
        return worker.ended;
      }),
    );
  }

  /** Ends all workers at once. */
  kill(): void {
    this.end();
    for (const worker of this.processes) worker.kill();
  }

  private end(): void {
    this.isEnding = true;
    this.stopWatching();
    for (const { cancelRestart } of this.places) cancelRestart();
  }

  /** Puts a new worker in a place. Rejects, with the former one left there, when it cannot start. */
  private async fill(place: Place, shared: SharedConfig): Promise<void> {
    const { clock, destination, limits, once, idempotency, handOver, setup, log } = this.options;
    const worker = new WorkerProcess({
      number: place.number,
      clock,
      destination,
      limits,
      once,
      idempotency,
      handOver,
      purgeElsewhere: (purge, purged) =>
        purgeWorkers(
          this.started.filter((other) => other !== purged),
          purge,
        ),
    });
    this.processes.add(worker);
    void worker.ended.then((end) => {
      this.processes.delete(worker);
      if (worker.lastMetrics !== undefined) this.options.onMetricsOfEnded(worker.lastMetrics);
      if (place.worker === worker) this.noteEnd(place, worker, end);
    });
    await worker.start(setup, shared);
    place.cancelRestart();
    place.worker = worker;
    log.info({ worker: place.number, pid: worker.pid }, 'worker started');
  }

  private stop(worker: WorkerProcess, gracePeriodMs?: number): Promise<void> {
    const timeoutMs = this.options.current().config.drain.timeout + STOP_GRACE_MS;
    return worker.stop(gracePeriodMs, timeoutMs);
  }

  /** Has a worker that ended by itself replaced. */
  private noteEnd(
    place: Place,
    worker: WorkerProcess,
    { code, signal }: { code: number | null; signal: string | null },
  ): void {
    place.worker = undefined;
    if (this.isEnding || worker.isStopping) return;
    this.countRestart(worker.wasStalled ? 'hung' : 'ended').add();
    const restartInMs = place.delay.next(this.options.clock.monotonic() - worker.startedAt);
    const { pid, handedAgain } = worker;
    const hint = worker.wasStalled ? undefined : hintAt(signal);
    const fields = {
      worker: place.number,
      pid,
      code,
      signal,
      ...(hint && { hint }),
      restartInMs,
      handedAgain,
    };
    this.options.log.error(fields, 'a worker ended; another one takes its place');
    this.restart(place, restartInMs);
  }

  private noteFailedStart(place: Place, error: unknown): void {
    if (this.isEnding) return;
    const restartInMs = place.delay.next(0);
    this.options.log.error({ worker: place.number, err: error, restartInMs }, 'a worker could not start');
    this.restart(place, restartInMs);
  }

  private restart(place: Place, delayMs: number): void {
    place.cancelRestart();
    place.cancelRestart = this.options.clock.after(delayMs, () => {
      const fill = async (): Promise<void> => {
        if (this.isEnding || place.worker !== undefined) return;
        await this.fill(place, this.options.current());
      };
      this.turns.take(fill, { isUrgent: true }).catch((error: unknown) => this.noteFailedStart(place, error));
    });
  }

  private killStalled(): void {
    const { clock, stalledAfterMs, log } = this.options;
    const now = clock.monotonic();
    // Where this process stood still itself, the silence of the others says nothing.
    const wasAway = now - this.lastLookAt > 2 * WATCH_INTERVAL_MS;
    this.lastLookAt = now;
    for (const worker of this.processes) {
      if (wasAway) worker.lastPulseAt = now;
      const limitMs = worker.hasPulse ? stalledAfterMs : Math.max(stalledAfterMs, BOOT_MS);
      if (now - worker.lastPulseAt < limitMs || worker.wasStalled) continue;
      worker.wasStalled = true;
      log.error(
        { worker: worker.number, pid: worker.pid, silentForMs: limitMs },
        'a worker hangs; it is killed',
      );
      worker.kill();
    }
  }

  private countRestart(reason: 'ended' | 'hung'): Counter {
    const help = 'Workers that ended by themselves or hung, and were replaced.';
    return this.options.metrics.counter('gateway_worker_restarts_total', help, { reason });
  }
}

/** What an end by this signal most often comes from. */
function hintAt(signal: string | null): string | undefined {
  if (signal === 'SIGABRT') return 'out of memory: raise --max-old-space-size, or look what grows';
  return signal === 'SIGKILL' ? 'killed from outside, as the system does when memory is short' : undefined;
}
