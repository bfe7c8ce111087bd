import type { BodySource } from './body.ts';
import type { Clock } from './clock.ts';
import type { GatewayError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { HeaderList } from './header-list.ts';
import type { ApiKeys } from './identity/api-keys.ts';
import type { TokenVerifier } from './identity/auth-service.ts';
import type { OngoingExchange, Reply, ResponseSink, TargetRequest } from './message.ts';
import type { Hold } from './shared-resources.ts';
import type { AsyncJobs } from './stores/async-jobs.ts';
import type { CacheStore } from './stores/cache-store.ts';
import type { IdempotencyStore } from './stores/idempotency-store.ts';
import type { LimitStore } from './stores/limit-store.ts';
import type { OnceStore } from './stores/once-store.ts';

/** A structured log, in the manner of pino. */
export interface Log {
  /** Writes a line that helps to find a fault; left out at the log level `info`. */
  debug(fields: object, message: string): void;
  /** Writes a line about what happens as it should. */
  info(fields: object, message: string): void;
  /** Writes a line about what deserves a look. */
  warn(fields: object, message: string): void;
  /** Writes a line about what failed; an error stands in `fields.err`. */
  error(fields: object, message: string): void;
}

/** A counter that only rises. Label values are given when it is made, so that counting costs an addition. */
export interface Counter {
  /** Adds to it. Default: 1. */
  add(amount?: number): void;
}

/** Where a policy counts. Series are read at `/metrics` (Prometheus text format). */
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

/** A request to an upstream that a policy makes. */
export interface UpstreamRequest {
  /** Default: GET. */
  readonly method?: string;
  /** A path, with its query if there is one, percent-encoded. */
  readonly path: string;
  /** All that the target is to know beside who asks: nothing is taken over from the client's request. */
  readonly headers?: HeaderList | Readonly<Record<string, string>>;
  /** Left out: none. Text is sent as UTF-8. */
  readonly body?: BodySource | Uint8Array | string;
  /** The `Host` that the target sees. Default: the target's own name. */
  readonly host?: string;
  /** Milliseconds until the head of the answer is due, over all attempts. Default: the upstream's `timeouts.response`, else 30 s. */
  readonly timeoutMs?: number;
  /** Whether the target is told who is calling (`x-auth-subject` and its like). Default: false. */
  readonly identity?: boolean;
}

/** How a request of a policy's own goes on, and how it ends. */
export interface AskOptions extends SendOptions {
  /** Whether it goes on when the exchange ends. Default: false. */
  readonly detached?: boolean;
  /** Ends the request when it is aborted. */
  readonly signal?: AbortSignal;
}

/** Sends requests of a policy's own to an upstream. */
export interface UpstreamSender {
  /**
   * Asks on behalf of `exchange`, as `send` does, and gives the answer, whose body streams at the speed of who reads it.
   * The target is told by `X-Forwarded-*` and `Via` whom it is for. Whoever gets the reply reads its body or cancels it.
   * Rejects with the `GatewayError` that says why there is no response, with the reason of `signal`, and with a
   * `TypeError` for what cannot be sent.
   */
  ask(exchange: Exchange, request: UpstreamRequest, options?: AskOptions): Promise<Reply>;
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
  /** The log of the gateway. */
  readonly log: Log;
  /** Time, which a test may hold. */
  readonly clock: Clock;
  /** Where it counts. */
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
  readonly authService?: (name: string) => TokenVerifier;
  /**
   * Reads the whole request body into `exchange.bodyBytes` when a policy asks for it, where `requestBody` would read it
   * before. `undefined` where there is none to wait for; else a promise of what went wrong, if anything.
   */
  readonly bufferBody?: (
    exchange: Exchange,
    maxBytes: number,
  ) => Promise<GatewayError | undefined> | undefined;
  /**
   * Counts bytes that are buffered for an exchange, until it ends, in the budget that all such bytes share. Says why they
   * cannot be held, if so.
   */
  readonly holdBytes?: (exchange: Exchange, bytes: number) => GatewayError | undefined;
  /** The API keys of this gateway. */
  readonly apiKeys?: ApiKeys;
  /** The counters of limits. */
  readonly limits?: LimitStore;
  /** What is good once, such as a signature. */
  readonly once?: OnceStore;
  /** Which requests with an idempotency key run and have run. */
  readonly idempotency?: IdempotencyStore;
  /** Requests that run later; `undefined` without Redis. */
  readonly jobs?: AsyncJobs;
  /** Where responses are stored. */
  readonly cache?: CacheStore;
}
