import type { BodySource } from '../core/body.ts';
import type { BufferBudget } from '../core/buffer-budget.ts';
import { GatewayError } from '../core/errors.ts';
import type { OngoingExchange, ResponseSink, TargetRequest } from '../core/message.ts';
import type { Deadlined, Deadlines } from '../http1/deadlines.ts';
import type { Attempt } from '../http1/target/target-attempt.ts';
import type { TargetConnection } from '../http1/target/target-connection.ts';
import { ReadAhead, type ReadAheadOwner } from './read-ahead.ts';
import { ResponseBacklog } from './response-backlog.ts';

/** What an attempt asks of the pool that it is at. */
export interface AttemptPool {
  readonly deadlines: Deadlines;
  readonly budget: BufferBudget;
  /** Whether a connection can be spared for a client that does not say how long it will take. */
  readonly hasPlenty: boolean;
  /** Whether requests wait for a connection, and no more can be opened. */
  readonly isCrowded: boolean;
  /** Finds a connection for an attempt, now or when one comes free. */
  place(attempt: PooledAttempt): void;
  /** Takes an attempt out of the queue. */
  forget(attempt: PooledAttempt): void;
  /** It has waited for a connection as long as it may. */
  timeOut(attempt: PooledAttempt): void;
}

/** Where an attempt is: waiting for its body, waiting for a connection, on one, or nowhere any more. */
type AttemptPlace =
  | { readonly kind: 'new' }
  | { readonly kind: 'reading' }
  | { readonly kind: 'queued' }
  | { readonly kind: 'failed' }
  | { readonly kind: 'sent'; readonly connection: TargetConnection };

const NEW: AttemptPlace = { kind: 'new' };
const READING: AttemptPlace = { kind: 'reading' };
const QUEUED: AttemptPlace = { kind: 'queued' };
const FAILED: AttemptPlace = { kind: 'failed' };

/** After such a pause of the client a connection is taken for it where there are plenty: it may wait for a response. */
const PAUSE_MS = 100;
/** What of a response is taken off the target for a slow client, and what where others wait for the connection. */
const BACKLOG_BYTES = 64 * 1024;
const CROWDED_BACKLOG_BYTES = 1024 * 1024;

/** One request at the pool of a target. */
export class PooledAttempt implements Attempt, OngoingExchange, Deadlined, ReadAheadOwner {
  readonly request: TargetRequest;
  sink: ResponseSink;
  body: BodySource;
  hasReceived = false;
  wasRepeated = false;
  deadline = Number.POSITIVE_INFINITY;
  private place: AttemptPlace = NEW;
  private ahead: ReadAhead | undefined = undefined;
  private backlog: ResponseBacklog | undefined = undefined;
  private readonly pool: AttemptPool;

  constructor(pool: AttemptPool, request: TargetRequest, sink: ResponseSink) {
    this.pool = pool;
    this.request = request;
    this.sink = sink;
    this.body = request.body;
  }

  /** Reads the beginning of the body, then asks the pool for a connection. */
  readAhead(): void {
    this.place = READING;
    this.ahead = new ReadAhead(this.request.body, this.pool.budget, this);
    this.body = this.ahead;
    this.onBodyCame();
    this.pool.deadlines.watch(this);
    this.ahead.start();
  }

  queue(): void {
    this.place = QUEUED;
  }

  sendOn(connection: TargetConnection): void {
    if (this.place === QUEUED) this.sink.onConnection?.();
    this.place = { kind: 'sent', connection };
    connection.send(this);
  }

  /** Begins anew: no target was given anything of `body`, or it can be had again. */
  restart(body: BodySource): void {
    this.place = NEW;
    this.body = body;
    this.ahead = undefined;
  }

  cancel(): void {
    this.backlog?.cancel();
    if (this.place.kind === 'sent') return this.place.connection.cancel(this);
    if (this.place === FAILED) return;
    this.pool.forget(this);
    this.body.cancel();
  }

  /** What was read of a body that cannot be had again goes along with the request, which another target may be sent. */
  fail(error: GatewayError): void {
    const { request, body } = this;
    this.place = FAILED;
    if (request.body.isReplayable !== true) request.body = body;
    else if (body !== request.body) body.cancel();
    this.sink.abort(error);
  }

  makeRoom(due: number | undefined): boolean {
    const room = this.pool.isCrowded ? CROWDED_BACKLOG_BYTES : BACKLOG_BYTES;
    if (due !== undefined && due > room) return false;
    if (this.backlog === undefined) {
      this.backlog = new ResponseBacklog(this.sink, this.pool.budget);
      this.sink = this.backlog;
    }
    return this.backlog.allow(room);
  }

  onDeadline(): void {
    if (this.place.kind !== 'reading') return this.pool.timeOut(this);
    this.onBodyCame();
    if (this.pool.hasPlenty) this.ahead?.stopWaiting();
  }

  // The beginning of the body

  onBodyCame(): void {
    this.deadline = this.pool.deadlines.after(PAUSE_MS);
  }

  onBodyReady(): void {
    this.pool.deadlines.forget(this);
    this.pool.place(this);
  }

  onBodyBroken(error: Error): void {
    this.pool.forget(this);
    this.sink.abort(
      error instanceof GatewayError ? error : new GatewayError('GW_BAD_REQUEST', { cause: error }),
    );
  }
}
