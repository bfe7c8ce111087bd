import type { BodySource } from '../../core/body.ts';
import type { ResponseSink, TargetRequest } from '../../core/message.ts';
import type { HeadLimits } from '../message-parser.ts';

/** How long a connection to a target may take for what; milliseconds. */
export interface TargetTimes {
  readonly connectMs: number;
  /** Between two pieces of a body, either way. */
  readonly idleMs: number;
  /** How long an unused connection is kept when the target gives no hint. */
  readonly keepAliveMs: number;
}

/** How long one connection may be used. */
export interface ConnectionLife {
  /** On the clock of the `Deadlines`, `Infinity` for no end. */
  readonly endsAt: number;
  readonly maxUses: number;
}

/** One request on a connection, as the pool hands it out. */
export interface Attempt {
  readonly request: TargetRequest;
  /** The body to send, which may be that of `request` with its beginning at hand. */
  readonly body: BodySource;
  sink: ResponseSink;
  /** Whether any of the response's bytes came. */
  hasReceived: boolean;
  /**
   * Who asked takes no more for now: asks for room to take more of the answer off the target meanwhile, of which `due`
   * bytes are still to come, `undefined` where nobody knows. Answers whether there is any; `sink` may be another then.
   */
  makeRoom(due: number | undefined): boolean;
}

/** A request whose connection died before a byte of the response came. */
export interface LostAttempt {
  readonly attempt: Attempt;
  /** The body, whole, where the system took none of the request's bytes, so that the target cannot know of it. */
  readonly unsent: BodySource | undefined;
}

/** What heads of responses may be; larger than for requests, since targets are ours. */
export const RESPONSE_LIMITS: HeadLimits = { headerBytes: 64 * 1024, urlBytes: 0, headerCount: 500 };
