import type { Clock } from '../../core/clock.ts';
import type { GatewayError } from '../../core/errors.ts';
import type { ClientInfo, Reply, RequestHandler } from '../../core/message.ts';
import type { Deadlines } from '../deadlines.ts';
import type { HeadLimits } from '../message-parser.ts';

/** Bounds and times of client connections; times in milliseconds. */
export interface ClientLimits extends HeadLimits {
  /** For a whole head, from its first byte, and for the first request of a connection. */
  readonly headerTimeoutMs: number;
  /** Between two pieces of a body. */
  readonly bodyIdleMs: number;
  /** Bytes a second that a body must reach once `bodyMinRateAfterMs` have passed. */
  readonly bodyMinRate: number;
  readonly bodyMinRateAfterMs: number;
  readonly keepAliveMs: number;
  /** For reading a whole request, head and body; 0 for no bound. */
  readonly requestTimeoutMs: number;
  /** Without any progress in sending a response that waits for the client. */
  readonly sendIdleMs: number;
}

export interface ServeOptions {
  readonly handler: RequestHandler;
  readonly limits: ClientLimits;
  /** Whether bytes above 127 in a query are taken, and percent-encoded. */
  readonly takesRawQuery?: boolean;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  /** Makes the response to what is not a request, and logs it. */
  readonly reject: (error: GatewayError, client: ClientInfo) => Reply;
}
