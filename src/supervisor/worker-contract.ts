import type { GatewayConfig, RouteConfig } from '../config/schema/schema.ts';
import type { GatewayDescription, Readiness } from '../core/control.ts';
import type { OnceVerdict } from '../core/once-store.ts';
import type { LogLevel } from '../observability/log.ts';
import type { LimitMethods } from './shared-limits.ts';

/** What a worker is told before anything else. */
export interface WorkerSetup {
  readonly configFile: string;
  readonly logLevel: LogLevel;
  /** The same in all workers, so that TLS sessions resume at any of them. */
  readonly ticketSecret: Uint8Array;
}

/** How a worker ends. */
export interface StopOptions {
  /** How long idle connections stay open for a request that may be on its way, where that is not as usual. */
  readonly spareIdleMs?: number | undefined;
}

/** What a supervisor can ask of a worker, in this order. */
export interface WorkerMethods {
  setUp(setup: WorkerSetup): void;
  /** Takes a configuration, without its routes. They follow in slices, so that requests get their turn in between. */
  takeConfig(config: GatewayConfig): void;
  takeRoutes(routes: readonly RouteConfig[]): void;
  /** Starts with the configuration that was taken. Gives the ports that are open. */
  start(version: number): Promise<readonly number[]>;
  /** Makes the configuration that was taken ready beside the one that runs. */
  prepare(version: number): Promise<void>;
  /** Puts what was prepared in force. */
  commit(): void;
  discard(): Promise<void>;
  describe(): Promise<GatewayDescription>;
  readQuotas(keys: readonly string[]): Promise<readonly object[]>;
  /** Takes up what was changed about the API keys. */
  refreshKeys(): Promise<void>;
  metrics(): Promise<MetricsText>;
  /** Drains. Gives the metrics as they are at the end. */
  stop(options: StopOptions): Promise<MetricsText>;
}

export interface MetricsText {
  readonly contentType: string;
  readonly text: string;
}

/** What a worker tells and asks of its supervisor. */
export interface SupervisorMethods extends LimitMethods {
  /** As in `OnceStore`, for all workers together. */
  noteOnce(name: string, keepForMs: number): Promise<OnceVerdict>;
  /** Says that the event loop turns, and how things stand. */
  pulse(readiness: Readiness): void;
}

/** Time between two pulses of a worker. */
export const PULSE_MS = 1000;
