import type { Clock } from './clock.ts';
import type { GatewayError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { ApiKeys } from './identity/api-keys.ts';
import type { AuthService } from './identity/auth-service.ts';
import type { Hold } from './kept-resources.ts';
import type { LimitStore } from './limit-store.ts';
import type { OngoingExchange, ResponseSink, TargetRequest } from './message.ts';

/** A structured log, in the manner of pino. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A counter that only rises. Label values are given when it is made, so that counting costs an addition. */
export interface Counter {
  add(amount?: number): void;
}

export interface Metrics {
  /** Finds or makes a counter. `labels` are fixed: names and values. */
  counter(name: string, help: string, labels?: Readonly<Record<string, string>>): Counter;
  /** Registers a value that is read when metrics are asked for. Returns a function that takes it away. */
  gauge(name: string, help: string, labels: Readonly<Record<string, string>>, read: () => number): () => void;
}

/** How a request of a policy's own is sent. */
export interface SendOptions {
  /** Whether it is sent once, whatever the upstream's `retries` say. Default: false. */
  readonly once?: boolean;
}

/** Sends requests of a policy's own to an upstream. */
export interface UpstreamSender {
  /**
   * Sends `request` on behalf of `exchange` as a route would, with the upstream's balancing, health, retries, budgets and
   * circuit breaker; `responseTimeoutMs` bounds the time until a head, over all attempts. `undefined` where no target is
   * to be had; `sink` then hears nothing. An empty `host` stands for the target's own name.
   */
  send(
    exchange: Exchange,
    request: TargetRequest,
    sink: ResponseSink,
    options?: SendOptions,
  ): OngoingExchange | undefined;
}

/** What a policy may use. Given to `create`, never imported. */
export interface Services {
  readonly log: Log;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Returns a number in [0, 1). */
  readonly random: () => number;
  /** The folder of the configuration file, from which paths in it are found. */
  readonly configFolder: string;
  /** Finds an upstream of the same configuration. Throws `TypeError` where there is none of that name. */
  readonly upstream?: (name: string) => UpstreamSender;
  /**
   * Finds or makes what must outlive a reload, such as counters, under a key that tells all it depends on. Whoever holds
   * it gives it back in its `close`.
   */
  readonly keep: <T>(key: string, create: () => T, close?: (value: T) => void) => Hold<T>;
  /** Finds one of `authServices`. Throws `TypeError` where there is none of that name. */
  readonly authService?: (name: string) => AuthService;
  /**
   * Reads the whole request body into `exchange.bodyBytes` when a policy asks for it, where `requestBody` would read it
   * before. `undefined` where there is none to wait for; else a promise of what went wrong, if anything.
   */
  readonly bufferBody?: (
    exchange: Exchange,
    maxBytes: number,
  ) => Promise<GatewayError | undefined> | undefined;
  /** The API keys of this gateway. */
  readonly apiKeys?: ApiKeys;
  /** The counters of limits. */
  readonly limits?: LimitStore;
}
