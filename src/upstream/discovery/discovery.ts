import type { Services } from '../../core/services.ts';

/** A target as a source of targets names it. */
export interface DiscoveredTarget {
  /** Empty where it is reached by `socketPath`. */
  readonly host: string;
  readonly port: number;
  /** Share of the requests against the other targets, 0 for none. Default: 1. */
  readonly weight?: number;
  readonly zone?: string;
  /** Whether to speak TLS, where the source knows. Otherwise the upstream decides. */
  readonly isSecure?: boolean;
  /** File of the Unix domain socket that it listens on, instead of a host and a port. */
  readonly socketPath?: string;
  /** The name behind an address, for TLS and for people. */
  readonly name?: string;
}

export interface DiscoveryStatus {
  /** Whether the source answers with targets. If not, the last ones found stay in use. */
  readonly ok: boolean;
  /** What is amiss, and what to do about it. */
  readonly detail?: string;
}

/** Finds the targets of one upstream, for as long as it runs. */
export interface Discovery {
  /** Starts. `onTargets` is called with every set that differs from the one before, never with an empty one. */
  start(onTargets: (targets: readonly DiscoveredTarget[]) => void): void;
  status(): DiscoveryStatus;
  /** Ends timers and connections; nothing is called afterwards. */
  close(): void;
}

export type DiscoveryServices = Pick<Services, 'clock' | 'log' | 'random' | 'metrics'>;
