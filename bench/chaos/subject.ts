import type { ChildProcess } from 'node:child_process';
import type { HeldMemory } from './memory-probe.ts';

/** The addresses of the services, `host:port`. */
export interface Services {
  /** Behind all routes but one. */
  readonly plain: readonly string[];
  /** Behind the name that changes, one after the other. */
  readonly named: readonly string[];
}

/** A proxy under test. */
export interface Subject {
  readonly name: string;
  readonly port: number;
  readonly securePort?: number | undefined;
  readonly child: ChildProcess;
  /** Has it take up another configuration. */
  reload(): void;
  /** The processes that serve, or `undefined` where they cannot be killed one by one. */
  workers?(): number[];
  /** What only we can do. */
  readonly more?: MoreDisturbances | undefined;
  close(): Promise<void>;
}

/** What is done to the gateway alone. */
export interface MoreDisturbances {
  /** Has it take up other code, so that workers are replaced. */
  changeCode(): void;
  changeCertificate(): void;
  /** Lets the name mean another service. */
  changeName(service: number): Promise<void>;
  killRedis(): Promise<void>;
  startRedis(): Promise<void>;
  /** How many connections are more than it can have. */
  readonly tooMany: number;
  /** What must be over when nobody asks any more, with the number that stands there. */
  readGauges(): Promise<Readonly<Record<string, number>>>;
  /** What the process that was started holds in memory after a collection. */
  readHeldMemory(): Promise<HeldMemory>;
}
