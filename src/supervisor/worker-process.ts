import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { GatewayConfig } from '../config/schema/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { Readiness } from '../core/control.ts';
import type { LimitStore } from '../core/limit-store.ts';
import type { OnceStore } from '../core/once-store.ts';
import type { LogDestination } from '../observability/log-destination.ts';
import { Channel } from './channel.ts';
import { forwardLines } from './forward-lines.ts';
import { sendConfig } from './send-config.ts';
import { serveLimits } from './shared-limits.ts';
import type { SupervisorMethods, WorkerMethods, WorkerSetup } from './worker-contract.ts';

/** A configuration that all workers are to have. */
export interface SharedConfig {
  readonly version: number;
  readonly config: GatewayConfig;
}

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface WorkerProcessOptions {
  readonly number: number;
  readonly clock: Clock;
  readonly destination: LogDestination;
  /** The counters of limits that all workers share. */
  readonly limits: LimitStore;
  /** What is good once in all of them. */
  readonly once: OnceStore;
}

/** How long the last lines of a process that has ended are waited for. */
const LAST_LINES_MS = 1000;

/** Says once and for all how workers are started. */
export function setUpWorkers(): void {
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  // The supervisor takes connections and gives them to workers in turn: docs/decisions/0006.
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({
    exec: fileURLToPath(new URL(`./worker-entry${ending}`, import.meta.url)),
    args: [],
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
}

/** A worker as its supervisor sees it: a process that serves, and may end at any time. */
export class WorkerProcess {
  readonly number: number;
  readonly channel: Channel<WorkerMethods>;
  /** Resolves when the process has ended and all that it wrote was read. */
  readonly ended: Promise<ProcessEnd>;
  readonly startedAt: number;
  hasEnded = false;
  /** Whether it takes requests. */
  isServing = false;
  /** Whether it ever took requests. */
  hasServed = false;
  /** Whether it was told to end. */
  isStopping = false;
  /** Whether its event loop stood still, so that it was killed. */
  wasHung = false;
  lastPulseAt: number;
  /** Whether its event loop has turned once. */
  hasPulse = false;
  readiness: Readiness = { isReady: false, details: [] };
  ports: readonly number[] = [];
  /** The metrics as they were last asked for. */
  lastMetrics: string | undefined = undefined;
  private readonly worker: Worker;
  private readonly clock: Clock;

  constructor({ number, clock, destination, limits, once }: WorkerProcessOptions) {
    this.number = number;
    this.clock = clock;
    this.startedAt = clock.monotonic();
    this.lastPulseAt = this.startedAt;
    this.worker = cluster.fork({ SALLYPORT_WORKER: String(number) });
    const child = this.worker.process;
    const methods: SupervisorMethods = {
      ...serveLimits(limits),
      noteOnce: async (name, keepForMs) => once.note(name, keepForMs, 'closed'),
      pulse: (readiness) => {
        this.lastPulseAt = clock.monotonic();
        this.hasPulse = true;
        this.readiness = readiness;
      },
    };
    this.channel = new Channel<WorkerMethods>(child, methods);
    const isRead = child.stdout === null ? undefined : forwardLines(child.stdout, destination, number);
    // Not its `close`, which is never told after a channel that was closed from here.
    const exited = new Promise<ProcessEnd>((resolve) => {
      child.once('error', () => resolve({ code: null, signal: null }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.ended = exited.then(async (end) => {
      // What the worker has started itself may keep its output open.
      const isLate = new Promise<void>((resolve) => void clock.after(LAST_LINES_MS, resolve));
      await Promise.race([isRead, isLate]);
      return end;
    });
    void this.ended.then(({ code, signal }) => {
      this.hasEnded = true;
      this.isServing = false;
      this.channel.close(`worker ${number} ended by itself, with ${signal ?? `exit code ${code}`}`);
    });
  }

  get pid(): number | undefined {
    return this.worker.process.pid;
  }

  /** Starts serving with `shared`. Rejects with what the worker could not do; its process is then over. */
  async start(setup: WorkerSetup, shared: SharedConfig): Promise<void> {
    try {
      await this.channel.call('setUp', setup);
      await sendConfig(this.channel, shared.config);
      this.ports = await this.channel.call('start', shared.version);
      this.isServing = true;
      this.hasServed = true;
      this.hasPulse = true;
      this.lastPulseAt = this.clock.monotonic();
      this.readiness = { isReady: true, details: [] };
    } catch (error) {
      this.isStopping = true;
      this.kill();
      await this.ended;
      throw error;
    }
  }

  /** Makes `shared` ready beside what runs. */
  async prepare(shared: SharedConfig): Promise<void> {
    await sendConfig(this.channel, shared.config);
    await this.channel.call('prepare', shared.version);
  }

  /** Drains and ends, by force after `timeoutMs`. */
  async stop(spareIdleMs: number | undefined, timeoutMs: number): Promise<void> {
    this.isStopping = true;
    this.isServing = false;
    const cancelKill = this.clock.after(timeoutMs, () => this.kill());
    const last = await this.channel.call('stop', { spareIdleMs }).catch(() => undefined);
    if (last !== undefined) this.lastMetrics = last.text;
    // Which it waits for.
    if (this.worker.process.connected) this.worker.process.disconnect();
    await this.ended;
    cancelKill();
  }

  kill(): void {
    this.worker.process.kill('SIGKILL');
  }
}
