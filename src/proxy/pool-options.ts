import type { ConnectionOptions } from 'node:tls';
import type { Place } from '../http1/target/dial.ts';
import type { TargetTimes } from '../http1/target/target-attempt.ts';

/** What a pool of connections to one target is, and how large it may be. */
export interface HttpTargetOptions {
  readonly place: Place;
  /** TLS settings, `undefined` for plain HTTP. */
  readonly tls: ConnectionOptions | undefined;
  readonly times: TargetTimes;
  /** Connections that may be open at a time, without those that carry a tunnel or an event stream. */
  readonly maxConnections: number;
  /** Requests that may wait for a connection. */
  readonly maxQueued: number;
  /** Milliseconds after which a connection is not used again, 0 for no limit. */
  readonly maxAgeMs: number;
  /** Requests after which a connection is not used again, 0 for no limit. */
  readonly maxUses: number;
  /** Connections that are kept open though nobody needs them. */
  readonly minIdle: number;
}
