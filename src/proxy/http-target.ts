import type { ConnectionOptions } from 'node:tls';
import { GatewayError } from '../core/errors.ts';
import type { OngoingExchange, ResponseSink, Target, TargetRequest } from '../core/message.ts';
import type { Descriptors } from '../core/network/descriptors.ts';
import { isOwnFault, NO_CONNECTION } from '../core/network/own-fault.ts';
import type { Deadlined, Deadlines } from '../http1/deadlines.ts';
import type { Attempt, LostAttempt, TargetTimes } from '../http1/target-attempt.ts';
import { type ConnectionOwner, TargetConnection } from '../http1/target-connection.ts';
import { Transport } from '../http1/transport.ts';
import { isRepeatable } from './repeatable.ts';

export interface HttpTargetOptions {
  readonly host: string;
  readonly port: number;
  /** TLS settings, `undefined` for plain HTTP. */
  readonly tls: ConnectionOptions | undefined;
  readonly times: TargetTimes;
  readonly maxConnections: number;
  /** Requests that may wait for a connection. */
  readonly maxQueued: number;
}

/** How many connections to targets are open, over all pools. */
export class ConnectionCount {
  open = 0;
  readonly descriptors: Descriptors | undefined;

  constructor(descriptors?: Descriptors) {
    this.descriptors = descriptors;
  }
}

/** A server reached over HTTP/1.1, behind a bounded pool of connections of which the last used is used first. */
export class HttpTarget implements Target, ConnectionOwner {
  readonly name: string;
  private readonly options: HttpTargetOptions;
  private readonly deadlines: Deadlines;
  private readonly connections = new Set<TargetConnection>();
  private readonly idle: TargetConnection[] = [];
  private readonly queue: PooledAttempt[] = [];
  private readonly count: ConnectionCount;
  private session: Buffer | undefined = undefined;
  private isClosed = false;

  constructor(options: HttpTargetOptions, deadlines: Deadlines, count = new ConnectionCount()) {
    this.options = options;
    this.count = count;
    this.deadlines = deadlines;
    this.name = `${options.host.includes(':') ? `[${options.host}]` : options.host}:${options.port}`;
  }

  get openConnections(): number {
    return this.connections.size;
  }

  exchange(request: TargetRequest, sink: ResponseSink): OngoingExchange {
    const attempt = new PooledAttempt(this, request, sink);
    const connection = this.takeIdle();
    if (connection !== undefined) attempt.sendOn(connection);
    else this.enqueue(attempt);
    return attempt;
  }

  /** Closes what is idle; what is busy closes when its exchange ends. */
  close(): void {
    this.isClosed = true;
    for (const connection of this.idle.splice(0)) connection.close();
  }

  onIdle(connection: TargetConnection): void {
    const next = this.queue.shift();
    if (next !== undefined) {
      this.deadlines.forget(next);
      next.sendOn(connection);
    } else if (this.isClosed) connection.close();
    else this.idle.push(connection);
  }

  onGone(connection: TargetConnection, error: Error | undefined, wasConnecting: boolean): void {
    this.connections.delete(connection);
    this.count.open--;
    const at = this.idle.lastIndexOf(connection);
    if (at >= 0) this.idle.splice(at, 1);
    if (isOwnFault(error)) this.count.descriptors?.noteShortage('target', error);
    if (connection.lost !== undefined) this.judge(connection, connection.lost, error);
    // Who waits may yet get one of the connections that there are; another would fail for the same want.
    else if (wasConnecting && isOwnFault(error) && this.hasStanding) return;
    // One that was never used and is closed says nothing about the target: who waits gets another.
    else if (wasConnecting) this.failWaiting(error);
    this.connectForWaiting();
  }

  private get hasStanding(): boolean {
    for (const connection of this.connections) if (!connection.isConnecting) return true;
    return false;
  }

  /** Takes an attempt out of the queue. */
  forget(attempt: PooledAttempt): void {
    const at = this.queue.indexOf(attempt);
    if (at >= 0) this.queue.splice(at, 1);
    this.deadlines.forget(attempt);
  }

  /** Takes the connection that was used last, of those that have not ended meanwhile. */
  private takeIdle(): TargetConnection | undefined {
    let connection = this.idle.pop();
    while (connection?.isUsable === false) connection = this.idle.pop();
    return connection;
  }

  private enqueue(attempt: PooledAttempt): void {
    if (this.queue.length >= this.options.maxQueued) {
      attempt.fail(
        new GatewayError('GW_UPSTREAM_BUSY', { cause: 'too many requests wait for a connection' }),
      );
      return;
    }
    attempt.deadline = this.deadlines.after(this.options.times.connectMs);
    this.deadlines.watch(attempt);
    this.queue.push(attempt);
    this.connectForWaiting();
  }

  /** Tells an attempt that waited too long why: nobody lets us in, or all connections are in use. */
  timeOut(attempt: PooledAttempt): void {
    this.forget(attempt);
    const isConnecting = [...this.connections].some((connection) => connection.isConnecting);
    attempt.fail(
      isConnecting
        ? new GatewayError('GW_UPSTREAM_UNREACHABLE', { cause: 'connecting took too long' })
        : new GatewayError('GW_UPSTREAM_BUSY', { cause: 'no connection came free in time' }),
    );
  }

  /** Opens connections until there is one being opened for each attempt that waits, or no more are allowed. */
  private connectForWaiting(): void {
    let opening = 0;
    for (const connection of this.connections) if (connection.isConnecting) opening++;
    for (; opening < this.queue.length && this.connections.size < this.options.maxConnections; opening++) {
      this.connections.add(this.connect());
      this.count.open++;
    }
  }

  private connect(): TargetConnection {
    const { host, port, tls, times } = this.options;
    const secure =
      tls === undefined ? {} : { tls: { ...tls, ...(this.session && { session: this.session }) } };
    const open = (owner: TargetConnection, onReady: () => void): Transport => {
      const transport = Transport.connect({ host, port, ...secure }, owner, onReady);
      this.count.descriptors?.watchTarget(transport.socket);
      if (tls !== undefined) transport.socket.on('session', (session: Buffer) => (this.session = session));
      return transport;
    };
    return new TargetConnection(
      (owner, onReady) => open(owner as TargetConnection, onReady),
      this,
      times,
      this.deadlines,
    );
  }

  /**
   * A connection died under a request before a byte of the answer came. A used one may have been closed by the target
   * at that moment: then the request is sent once more if that cannot do it twice (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
   */
  private judge(connection: TargetConnection, lost: LostAttempt, error: Error | undefined): void {
    const attempt = lost.attempt as PooledAttempt;
    const { body, hasSent } = lost;
    if (connection.uses > 1 && !attempt.wasRepeated && isRepeatable(attempt.request, hasSent)) {
      body?.cancel();
      attempt.wasRepeated = true;
      attempt.connection = undefined;
      for (const other of this.idle.splice(0)) other.close();
      this.enqueue(attempt);
      return;
    }
    body?.cancel();
    const cause = error ?? 'the target closed the connection without an answer';
    attempt.fail(
      new GatewayError(isOwnFault(error) ? 'GW_RESOURCES_EXHAUSTED' : 'GW_UPSTREAM_BROKEN', { cause }),
    );
  }

  private failWaiting(error: Error | undefined): void {
    if (this.connections.size > 0) return this.failNext(error);
    while (this.queue.length > 0) this.failNext(error);
  }

  private failNext(error: Error | undefined): void {
    const attempt = this.queue.shift();
    if (attempt === undefined) return;
    this.deadlines.forget(attempt);
    attempt.fail(
      isOwnFault(error)
        ? new GatewayError('GW_RESOURCES_EXHAUSTED', { cause: error, reason: NO_CONNECTION })
        : new GatewayError('GW_UPSTREAM_UNREACHABLE', { cause: error }),
    );
  }
}

/** One request at the pool: waiting for a connection, or on one. */
class PooledAttempt implements Attempt, OngoingExchange, Deadlined {
  readonly request: TargetRequest;
  readonly sink: ResponseSink;
  hasReceived = false;
  wasRepeated = false;
  deadline = Number.POSITIVE_INFINITY;
  connection: TargetConnection | undefined = undefined;
  private readonly target: HttpTarget;

  constructor(target: HttpTarget, request: TargetRequest, sink: ResponseSink) {
    this.target = target;
    this.request = request;
    this.sink = sink;
  }

  sendOn(connection: TargetConnection): void {
    this.connection = connection;
    connection.send(this);
  }

  cancel(): void {
    if (this.connection === undefined) this.target.forget(this);
    else this.connection.cancel(this);
  }

  fail(error: GatewayError): void {
    this.sink.abort(error);
  }

  onDeadline(): void {
    this.target.timeOut(this);
  }
}
