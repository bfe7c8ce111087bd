import type { Chain } from './chain.ts';
import type { Command } from './process.ts';
import type { Certificate } from './workplace.ts';

/** What a proxy is to be set up for. */
export interface Setup {
  /** A folder of its own, empty. */
  readonly folder: string;
  readonly port: number;
  /** For proxies that insist on a second port. */
  readonly adminPort: number;
  readonly backendPort: number;
  /** Whether it writes an access log, to a file, and counts (where it does). */
  readonly isObserved: boolean;
  /** Present where clients come by HTTPS. */
  readonly tls: Certificate | undefined;
  /** How many routes of the form `/routes/<n>/:id` stand in the configuration besides the one for everything. */
  readonly routes: number;
  /** Present where all requests go through authentication, authorization, limits, CORS and security headers. */
  readonly chain: Chain | undefined;
}

/**
 * A proxy under test. All do the same work: access log, `X-Forwarded-For`, `-Proto` and `-Host`, `Via`, a request id,
 * keep-alive on both sides. The benchmark refuses one that does not send these fields on.
 */
export interface Peer {
  readonly name: string;
  /** System packages that it needs. */
  readonly commands: readonly string[];
  /** Files that it needs besides, with their packages. */
  readonly files?: Readonly<Record<string, string>>;
  /** Whether it lives in bench/peers/node_modules. */
  readonly isNpmPackage: boolean;
  /** Writes its configuration and says how to start it. */
  prepare(setup: Setup): Command;
}
