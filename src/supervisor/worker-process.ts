import { type ChildProcess, fork } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { GatewayConfig } from '../config/schema/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { Readiness } from '../core/control.ts';
import type { Purge, PurgeReach } from '../core/stores/cache-store.ts';
import type { IdempotencyStore } from '../core/stores/idempotency-store.ts';
import type { LimitStore } from '../core/stores/limit-store.ts';
import type { OnceStore } from '../core/stores/once-store.ts';
import type { LogDestination } from '../observability/log-destination.ts';
import { Channel } from './channel.ts';
import { forwardLines } from './forward-lines.ts';
import type { HandOver, Receiver, Unclaimed } from './hand-over.ts';
import { ACKNOWLEDGEMENT_FD } from './handed-connections.ts';
import { sendConfig } from './send-config.ts';
import { serveIdempotency } from './shared-idempotency.ts';
import { serveLimits } from './shared-limits.ts';
import {
  type SharedPort,
  type SupervisorMethods,
  WORKER_LIMITS_MS,
  type WorkerMethods,
  type WorkerSetup,
} from './worker-contract.ts';

/** A configuration that all workers are to have. */
export interface SharedConfig {
  readonly version: number;
  readonly config: GatewayConfig;
  /** The ports that its listeners have, in their order. */
  readonly ports: readonly SharedPort[];
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
  /** Where they all note idempotency keys. */
  readonly idempotency: IdempotencyStore;
  /** Purges stored responses in all workers but the one that has purged. */
  readonly purgeElsewhere: (purge: Purge, purged: WorkerProcess) => Promise<PurgeReach>;
  /** Gives it connections. */
  readonly handOver: HandOver;
}

/** How long the last lines of a process that has ended are waited for. */
const LAST_LINES_MS = 1000;

/** Starts the process of a worker. It opens no inspector, whoever signals it. */
function forkWorker(number: number): ChildProcess {
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  return fork(fileURLToPath(new URL(`./worker-entry${ending}`, import.meta.url)), [], {
    env: { ...process.env, SALLYPORT_WORKER: String(number) },
    execArgv: [...process.execArgv, '--disable-sigusr1'],
    serialization: 'advanced',
    // The last one is `ACKNOWLEDGEMENT_FD`.
    stdio: ['ignore', 'pipe', 'inherit', 'ipc', 'pipe'],
  });
}

/** A worker as its supervisor sees it: a process that serves, and may end at any time. */
export class WorkerProcess implements Receiver {
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
  wasStalled = false;
  lastPulseAt: number;
  /** Whether its event loop has turned once. */
  hasPulse = false;
  readiness: Readiness = { isReady: false, details: [] };
  /** The metrics as they were last asked for. */
  lastMetrics: string | undefined = undefined;
  /** How many connections it had not acknowledged when it ended, which went to others. */
  handedAgain = 0;
  private ports: ReadonlySet<string> = new Set();
  private readonly child: ChildProcess;
  private readonly clock: Clock;
  private readonly handOver: HandOver;

  constructor(options: WorkerProcessOptions) {
    const { number, clock, destination, limits, once, handOver } = options;
    this.number = number;
    this.clock = clock;
    this.startedAt = clock.monotonic();
    this.lastPulseAt = this.startedAt;
    this.handOver = handOver;
    const child = forkWorker(number);
    this.child = child;
    const methods: SupervisorMethods = {
      ...serveLimits(limits),
      ...serveIdempotency(options.idempotency),
      purgeElsewhere: (purge) => options.purgeElsewhere(purge, this),
      noteOnce: async (name, keepForMs) => once.note(name, keepForMs, 'closed'),
      pulse: (readiness) => {
        this.lastPulseAt = clock.monotonic();
        this.hasPulse = true;
        this.readiness = readiness;
      },
    };
    this.channel = new Channel<WorkerMethods>(child, methods, {
      remote: `worker ${number}`,
      limitsMs: WORKER_LIMITS_MS,
      clock,
    });
    // There are no streams where no process could be made.
    const isRead = child.stdout ? forwardLines(child.stdout, destination, number) : undefined;
    const isHeard = this.hearAcknowledgements(child.stdio?.[ACKNOWLEDGEMENT_FD] as Readable | undefined);
    // Not its `close`, which is never told after a channel that was closed from here.
    const exited = new Promise<ProcessEnd>((resolve) => {
      child.once('error', () => resolve({ code: null, signal: null }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.ended = exited.then(async (end) => {
      // What the worker has started itself may keep its output open.
      const isOverdue = new Promise<void>((resolve) => void clock.after(LAST_LINES_MS, resolve));
      await Promise.race([Promise.all([isRead, isHeard]), isOverdue]);
      return end;
    });
    void this.ended.then(({ code, signal }) => {
      this.hasEnded = true;
      this.isServing = false;
      this.channel.close(`worker ${number} ended by itself, with ${signal ?? `exit code ${code}`}`);
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Starts serving with `shared`. Rejects with what the worker could not do; its process is then over. */
  async start(setup: WorkerSetup, shared: SharedConfig): Promise<void> {
    try {
      await this.channel.call('setUp', setup);
      await sendConfig(this.channel, shared.config);
      await this.channel.call('start', shared.version, shared.ports);
      this.isServing = true;
      this.hasServed = true;
      this.hasPulse = true;
      this.lastPulseAt = this.clock.monotonic();
      this.readiness = { isReady: true, details: [] };
      this.servePorts(shared.ports);
      this.handOver.join(this);
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
    await this.channel.call('prepare', shared.version, shared.ports);
  }

  /** Has it run what it prepared. Where it does not say so before the timeout it would run the former one, and ends. */
  async commit(shared: SharedConfig): Promise<void> {
    this.servePorts(shared.ports);
    await this.channel.call('commit').catch(() => this.kill());
  }

  /** Has it forget what it prepared. */
  async discard(): Promise<void> {
    await this.channel.call('discard').catch(() => this.kill());
  }

  /** Has it take up what was changed about API keys. One that does not say so would let in who was shut out, and ends. */
  async refreshKeys(): Promise<void> {
    await this.channel.call('refreshKeys').catch(() => this.kill());
  }

  serves(key: string): boolean {
    return this.ports.has(key);
  }

  /** Our own descriptor stays open until it acknowledges the connection. */
  send({ socket, key }: Unclaimed): void {
    // Where it has just ended, that is told by the end of its acknowledgements.
    this.child.send(key, socket, { keepOpen: true }, () => {});
  }

  countReceived(): Promise<number> {
    return this.channel.call('countReceived');
  }

  /** Drains and ends, by force after `timeoutMs`. */
  async stop(gracePeriodMs: number | undefined, timeoutMs: number): Promise<void> {
    this.isStopping = true;
    this.isServing = false;
    this.handOver.dismiss(this);
    const cancelKill = this.clock.after(timeoutMs, () => this.kill());
    const last = await this.channel.call('stop', { gracePeriodMs }).catch(() => undefined);
    if (last !== undefined) this.lastMetrics = last.text;
    // Which it waits for.
    if (this.child.connected) this.child.disconnect();
    await this.ended;
    cancelKill();
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  private servePorts(ports: readonly SharedPort[]): void {
    this.ports = new Set(ports.map(({ id }) => id));
  }

  /** Resolves when the process has ended and the last one was heard, so that what is not acknowledged never will be. */
  private hearAcknowledgements(bytes: Readable | undefined): Promise<void> {
    return new Promise((resolve) => {
      if (bytes === undefined) return resolve();
      bytes
        .on('error', () => {})
        .on('data', ({ length }: Buffer) => {
          for (let i = 0; i < length; i++) this.handOver.acknowledge(this);
        });
      bytes.once('close', () => {
        this.handedAgain = this.handOver.forget(this);
        resolve();
      });
    });
  }
}
