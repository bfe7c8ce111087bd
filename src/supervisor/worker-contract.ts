import type { GatewayConfig, RouteConfig } from '../config/schema/schema.ts';
import type { GatewayDescription, Readiness } from '../core/control.ts';
import type { Purge, PurgeReach } from '../core/stores/cache-store.ts';
import type { OnceVerdict } from '../core/stores/once-store.ts';
import type { LogLevel } from '../observability/log.ts';
import type { IdempotencyMethods } from './shared-idempotency.ts';
import type { LimitMethods } from './shared-limits.ts';

/** What a worker is told before anything else. */
export interface WorkerSetup {
  readonly configFile: string;
  /** What goes before the configuration's own. */
  readonly logLevel: LogLevel | undefined;
  /** The same in all workers, so that TLS sessions resume at any of them. */
  readonly ticketSecret: Uint8Array;
}

/** A port that the supervisor has open, and whose connections it hands over. */
export interface SharedPort {
  readonly id: string;
  readonly port: number;
}

/** How a worker ends. */
export interface StopOptions {
  /** How long idle connections stay open for a request that may be on its way, where that is not as usual. */
  readonly gracePeriodMs?: number | undefined;
}

/** What a supervisor can ask of a worker, in this order. */
export interface WorkerMethods {
  setUp(setup: WorkerSetup): void;
  /** Takes a configuration, without its routes. They follow in slices, so that requests get their turn in between. */
  takeConfig(config: GatewayConfig): void;
  takeRoutes(routes: readonly RouteConfig[]): void;
  /** Starts with the configuration that was taken, on ports that stand in the order of its listeners. */
  start(version: number, ports: readonly SharedPort[]): Promise<void>;
  /** Makes the configuration that was taken ready beside the one that runs. */
  prepare(version: number, ports: readonly SharedPort[]): Promise<void>;
  /** Puts what was prepared in force. */
  commit(): void;
  discard(): Promise<void>;
  describe(): Promise<GatewayDescription>;
  readQuotas(keys: readonly string[]): Promise<readonly object[]>;
  /** Takes up what was changed about the API keys. */
  refreshKeys(): Promise<void>;
  /** Purges stored responses in this worker, and where `isSpread`, in other gateways. */
  purgeCache(purge: Purge, isSpread: boolean): Promise<PurgeReach>;
  metrics(): Promise<MetricsText>;
  /** Tells how many connections were received since the start. */
  countReceived(): number;
  /** Drains. Gives the metrics as they are at the end. */
  stop(options: StopOptions): Promise<MetricsText>;
}

export interface MetricsText {
  readonly contentType: string;
  readonly text: string;
}

/** What a worker tells and asks of its supervisor. */
export interface SupervisorMethods extends LimitMethods, IdempotencyMethods {
  /** As in `OnceStore`, for all workers together. */
  noteOnce(name: string, keepForMs: number): Promise<OnceVerdict>;
  /** Purges stored responses in the other workers. */
  purgeElsewhere(purge: Purge): Promise<PurgeReach>;
  /** Says that the event loop turns, and how things stand. */
  pulse(readiness: Readiness): void;
}

/** Time between two pulses of a worker. */
export const PULSE_MS = 1000;

/** How long something that takes part of a configuration may take, or makes it ready: it loads code, and asks name servers. */
const WORK_MS = 60_000;
/** How long what is answered at once may take, at a worker whose event loop is busy. */
const RESPONSE_MS = 3000;

/**
 * A purge is to hold within a second, or whoever asks for it hears where it does not. A worker waits that long for other
 * gateways.
 */
const PURGE_MS = 1500;

/**
 * How long a supervisor waits for each answer of a worker, in milliseconds. What then becomes of the worker, and of who
 * waits, is in docs/guide/workers.md.
 */
export const WORKER_LIMITS_MS: Readonly<Record<keyof WorkerMethods, number>> = {
  setUp: WORK_MS,
  takeConfig: WORK_MS,
  takeRoutes: WORK_MS,
  start: WORK_MS,
  prepare: WORK_MS,
  commit: RESPONSE_MS,
  discard: RESPONSE_MS,
  describe: RESPONSE_MS,
  readQuotas: RESPONSE_MS,
  refreshKeys: RESPONSE_MS,
  purgeCache: PURGE_MS,
  metrics: RESPONSE_MS,
  countReceived: RESPONSE_MS,
  // Its process is killed when the time to drain is over.
  stop: Number.POSITIVE_INFINITY,
};

/** How long a worker waits for each response of its supervisor, in milliseconds. */
export const SUPERVISOR_LIMITS_MS: Readonly<Record<keyof SupervisorMethods, number>> = {
  pulse: 1000,
  charge: 1000,
  chargeAfterwards: 1000,
  noteOnce: 1000,
  claimKey: 1000,
  finishKey: 1000,
  releaseKey: 1000,
  // A moment more than the supervisor itself waits.
  purgeElsewhere: PURGE_MS + 500,
};
