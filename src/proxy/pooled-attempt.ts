import type { BodySource } from '../core/body.ts';
import type { GatewayError } from '../core/errors.ts';
import type { OngoingExchange, ResponseSink, TargetRequest } from '../core/message.ts';
import type { Deadlined } from '../http1/deadlines.ts';
import type { Attempt } from '../http1/target/target-attempt.ts';
import type { TargetConnection } from '../http1/target/target-connection.ts';

/** What an attempt asks of the pool that it is at. */
export interface AttemptPool {
  /** Takes an attempt out of the queue. */
  forget(attempt: PooledAttempt): void;
  /** It has waited for a connection as long as it may. */
  timeOut(attempt: PooledAttempt): void;
}

/** Where an attempt is: nowhere yet, waiting for a connection, or on one. */
type AttemptPlace =
  | { readonly kind: 'new' }
  | { readonly kind: 'queued' }
  | { readonly kind: 'sent'; readonly connection: TargetConnection };

const NEW: AttemptPlace = { kind: 'new' };
const QUEUED: AttemptPlace = { kind: 'queued' };

/** One request at the pool of a target. */
export class PooledAttempt implements Attempt, OngoingExchange, Deadlined {
  readonly request: TargetRequest;
  sink: ResponseSink;
  body: BodySource;
  hasReceived = false;
  wasRepeated = false;
  deadline = Number.POSITIVE_INFINITY;
  private place: AttemptPlace = NEW;
  private readonly pool: AttemptPool;

  constructor(pool: AttemptPool, request: TargetRequest, sink: ResponseSink) {
    this.pool = pool;
    this.request = request;
    this.sink = sink;
    this.body = request.body;
  }

  queue(): void {
    this.place = QUEUED;
  }

  sendOn(connection: TargetConnection): void {
    if (this.place === QUEUED) this.sink.onConnection?.();
    this.place = { kind: 'sent', connection };
    connection.send(this);
  }

  cancel(): void {
    if (this.place.kind === 'sent') this.place.connection.cancel(this);
    else this.pool.forget(this);
  }

  fail(error: GatewayError): void {
    this.sink.abort(error);
  }

  onDeadline(): void {
    this.pool.timeOut(this);
  }
}
