import type { IdempotencyStore } from '../core/stores/idempotency-store.ts';
import type { LimitStore } from '../core/stores/limit-store.ts';
import type { OnceStore } from '../core/stores/once-store.ts';
import type { HandedPort } from '../server/connection-source.ts';
import type { SpreadPurge } from '../stores/cache/shared-cache-store.ts';

/** What a supervisor gives the gateway of a worker, which it configures, watches and speaks for. */
export interface WorkerRole {
  /** The version of the configuration that it starts with. */
  readonly version: number;
  /** What the keys of TLS tickets are made from, so that a session begun at one worker resumes at another. */
  readonly ticketSecret: Uint8Array;
  /** What stands for the ports of the listeners, in their order, which the supervisor has. */
  readonly ports: readonly HandedPort[];
  /** The counters of limits that all workers have; left out: as one process keeps them. */
  readonly limits?: LimitStore | undefined;
  /** Purges stored responses in the other workers. */
  readonly spreadPurge?: SpreadPurge | undefined;
  /** What is good once in all workers together; there where `limits` is. */
  readonly once?: OnceStore | undefined;
  /** Where all workers note idempotency keys; there where `limits` is. */
  readonly idempotency?: IdempotencyStore | undefined;
}

/** A configuration that is ready beside the one that runs. One of the two functions is to be called. */
export interface PreparedConfig {
  /** Puts it in force, which cannot fail. */
  commit(): void;
  discard(): Promise<void>;
}

/** How a gateway is to drain. What is left out is as configured, or as is usual. */
export interface DrainTimes {
  /** How long it says that it is not ready before it stops to accept connections. */
  readonly delayMs?: number | undefined;
  /** How long idle connections then stay open for a request that may be on its way. */
  readonly gracePeriodMs?: number | undefined;
}
