import type { Socket } from 'node:net';
import type { BufferBudget } from '../core/buffer-budget.ts';
import { GatewayError } from '../core/errors.ts';
import { FieldKind } from '../core/field-kind.ts';
import type { OngoingExchange, ResponseSink, Target, TargetRequest } from '../core/message.ts';
import { isOwnFault } from '../core/network/own-fault.ts';
import type { Deadlined, Deadlines } from '../http1/deadlines.ts';
import type { Link } from '../http1/link.ts';
import { Dial, type DialOptions, type DialOwner, type Place } from '../http1/target/dial.ts';
import type { ConnectionLife, LostAttempt } from '../http1/target/target-attempt.ts';
import { type ConnectionOwner, TargetConnection } from '../http1/target/target-connection.ts';
import { connectFailure, lossFailure } from './connection-failure.ts';
import { IdleConnections } from './idle-connections.ts';
import type { HttpTargetOptions } from './pool-options.ts';
import type { PoolServices } from './pool-services.ts';
import { type AttemptPool, PooledAttempt } from './pooled-attempt.ts';
import { isRepeatable } from './repeatable.ts';
import { SpareConnections } from './spare-connections.ts';

/** By how much of itself the life of a connection is shorter, so that those made together do not end together. */
const LIFE_JITTER = 0.1;
/** Says that nobody listens at the address, or at the socket file. */
const REFUSALS: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT']);
/** How long the pool waits after it could not keep `minIdle` connections open. */
const REFILL_PAUSE_MS = 1000;

/** A server reached over HTTP/1.1, behind a bounded pool of connections of which the last used is used first. */
export class HttpTarget implements Target, ConnectionOwner, DialOwner, AttemptPool, Deadlined {
  readonly name: string;
  readonly authority: string;
  /** When connections are opened again for `minIdle`. */
  deadline = Number.POSITIVE_INFINITY;
  private readonly options: HttpTargetOptions;
  private readonly services: PoolServices;
  private readonly dialOptions: DialOptions;
  private readonly dials = new Set<Dial>();
  private readonly connections = new Set<TargetConnection>();
  private readonly idle = new IdleConnections();
  private readonly spare = new SpareConnections();
  /** Tunnels and event streams, which take no place in the pool. */
  private readonly detached = new Set<TargetConnection>();
  private readonly queue = new Set<PooledAttempt>();
  private session: Buffer | undefined = undefined;
  private isClosed = false;
  /** Whether the target took no connection the last time. */
  private isRefusing = false;
  /** When the pool last saw to it that slow clients do not keep its connections. */
  private relievedAt = -1;

  constructor(options: HttpTargetOptions, services: PoolServices) {
    const { place, tls, times } = options;
    this.options = options;
    this.services = services;
    this.name = nameOf(place);
    this.authority = place.kind === 'tcp' ? this.name : 'localhost';
    const onSession = (session: Buffer): void => {
      this.session = session;
    };
    const onSocket = (socket: Socket): void => services.connections.descriptors?.watchTarget(socket);
    this.dialOptions = {
      onSocket,
      place,
      tls,
      connectMs: times.connectMs,
      lookup: services.lookup,
      onSession,
    };
    if (options.minIdle > 0) services.deadlines.watch(this);
    this.refill();
  }

  /** All that are open or being opened. */
  get openConnections(): number {
    return this.places + this.detached.size;
  }

  /** Those that are open and ready for anybody. */
  get idleConnections(): number {
    return this.idle.size;
  }

  exchange(request: TargetRequest, sink: ResponseSink, now?: number): OngoingExchange {
    if (now !== undefined) this.services.deadlines.refresh(now);
    const attempt = new PooledAttempt(this, request, sink);
    if (this.comesSlowly(request)) attempt.readAhead();
    else this.place(attempt);
    return attempt;
  }

  /** Closes what is idle; what is busy closes when its exchange ends. */
  close(): void {
    this.isClosed = true;
    this.services.deadlines.forget(this);
    if (this.queue.size === 0) for (const dial of this.dials) this.drop(dial);
    for (const connection of [...this.idle.takeAll(), ...this.spare]) connection.close();
  }

  onDeadline(): void {
    this.deadline = Number.POSITIVE_INFINITY;
    this.refill();
  }

  // What dials and connections say

  onLink(dial: Dial, link: Link): void {
    const { options, services } = this;
    this.dials.delete(dial);
    this.isRefusing = false;
    const connection = new TargetConnection(link, this, options.times, this.newLife(), services.deadlines);
    this.connections.add(connection);
    connection.start();
  }

  onDialFailed(dial: Dial, error: NodeJS.ErrnoException): void {
    this.dials.delete(dial);
    this.services.connections.open--;
    this.deadline = this.services.deadlines.after(REFILL_PAUSE_MS);
    if (isOwnFault(error)) {
      this.services.connections.descriptors?.noteShortage('target', error);
      // Who waits may yet get one of the connections that there are, or are about to be; another would fail for the same want.
      if (this.connections.size > 0 || this.dials.size > 0) return;
    }
    // Who takes no connection any more is about to end, and may do so just as a request comes on one that is open.
    this.isRefusing = REFUSALS.has(error.code ?? '');
    if (this.isRefusing) this.closeIdle();
    if (this.places > 0) this.failNext(error);
    else while (this.queue.size > 0) this.failNext(error);
    this.connectForWaiting();
  }

  onIdle(connection: TargetConnection): void {
    this.spare.delete(connection);
    const next = this.takeWaiting();
    if (next !== undefined) next.sendOn(connection);
    else if (this.isClosed || this.isRefusing) connection.close();
    else this.idle.push(connection);
  }

  onReserved(connection: TargetConnection, login: object): void {
    if (this.isClosed) return connection.close();
    this.spare.reserve(connection, login);
    this.connectForWaiting();
  }

  onResting(connection: TargetConnection): void {
    if (this.isClosed) return connection.close();
    this.spare.add(connection);
    this.connectForWaiting();
  }

  onDetached(connection: TargetConnection): void {
    this.connections.delete(connection);
    this.detached.add(connection);
    this.connectForWaiting();
  }

  onClosed(connection: TargetConnection, error: Error | undefined): void {
    this.services.connections.open--;
    if (isOwnFault(error)) this.services.connections.descriptors?.noteShortage('target', error);
    this.connections.delete(connection);
    this.detached.delete(connection);
    this.idle.remove(connection);
    this.spare.delete(connection);
    if (connection.lost !== undefined) this.judge(connection, connection.lost, error);
    this.connectForWaiting();
    this.refill();
  }

  // What attempts say

  get deadlines(): Deadlines {
    return this.services.deadlines;
  }

  get budget(): BufferBudget {
    return this.services.budget;
  }

  get hasPlenty(): boolean {
    return this.places - this.idle.size < Math.floor(this.options.maxConnections / 2);
  }

  get isCrowded(): boolean {
    return this.queue.size > 0 && this.places >= this.options.maxConnections;
  }

  place(attempt: PooledAttempt): void {
    const connection = this.spare.take(attempt.request.login) ?? this.takeIdle();
    if (connection !== undefined) attempt.sendOn(connection);
    else this.enqueue(attempt);
  }

  forget(attempt: PooledAttempt): void {
    this.queue.delete(attempt);
    this.services.deadlines.forget(attempt);
  }

  /** Tells an attempt that waited too long why: nobody lets us in, or all connections are in use. */
  timeOut(attempt: PooledAttempt): void {
    this.forget(attempt);
    attempt.fail(
      this.dials.size > 0
        ? new GatewayError('GW_UPSTREAM_UNREACHABLE', { cause: 'connecting took too long' })
        : new GatewayError('GW_UPSTREAM_BUSY', { cause: 'no connection came free before the timeout' }),
    );
  }

  // Finding a connection

  /** Connections that count for `maxConnections`. */
  private get places(): number {
    return this.dials.size + this.connections.size;
  }

  /** Whether a connection would have to wait for the client: for its body, or for what it answers to 100. */
  private comesSlowly({ body, headers }: TargetRequest): boolean {
    if (body.length === 0 || body.isBuffered !== false) return false;
    return !this.hasPlenty || headers.getKind(FieldKind.expect) === undefined;
  }

  /** Takes the connection that was used last, of those that have not ended meanwhile. */
  private takeIdle(): TargetConnection | undefined {
    let connection = this.idle.pop();
    while (connection?.isUsable === false) {
      connection.close();
      connection = this.idle.pop();
    }
    return connection;
  }

  private takeWaiting(): PooledAttempt | undefined {
    const [next] = this.queue;
    if (next !== undefined) this.forget(next);
    return next;
  }

  private enqueue(attempt: PooledAttempt): void {
    const { options, services } = this;
    if (this.queue.size >= options.maxQueued) {
      attempt.fail(
        new GatewayError('GW_UPSTREAM_BUSY', { cause: 'too many requests wait for a connection' }),
      );
      return;
    }
    attempt.queue();
    attempt.deadline = services.deadlines.after(options.times.connectMs);
    services.deadlines.watch(attempt);
    this.queue.add(attempt);
    this.connectForWaiting();
  }

  /** Opens connections until there is one being opened for each attempt that waits, or no more are allowed. */
  private connectForWaiting(): void {
    const { maxConnections } = this.options;
    while (this.dials.size < this.queue.size) {
      if (this.places >= maxConnections) {
        const oldest = this.spare.takeOldest();
        if (oldest === undefined) return this.relieve();
        // Before it closes, or it would be asked to make way again.
        this.connections.delete(oldest);
        oldest.close();
      }
      this.dial();
    }
  }

  /** Takes more off the target of responses whose clients are slow, so that their connections come free. */
  private relieve(): void {
    const { now } = this.services.deadlines;
    if (this.relievedAt === now) return;
    this.relievedAt = now;
    for (const connection of this.connections) connection.relieve();
  }

  /** Opens what is lacking of `minIdle`, unless that failed a moment ago. */
  private refill(): void {
    const { minIdle, maxConnections } = this.options;
    if (minIdle === 0 || this.isClosed || this.deadline !== Number.POSITIVE_INFINITY) return;
    while (this.idle.size + this.dials.size < minIdle && this.places < maxConnections) this.dial();
  }

  private dial(): void {
    const { session, dialOptions, services } = this;
    const tls = dialOptions.tls && session ? { ...dialOptions.tls, session } : dialOptions.tls;
    const dial = new Dial({ ...dialOptions, tls }, this, services.deadlines);
    this.dials.add(dial);
    services.connections.open++;
    dial.start();
  }

  private drop(dial: Dial): void {
    this.dials.delete(dial);
    this.services.connections.open--;
    dial.cancel();
  }

  private newLife(): ConnectionLife {
    const { maxAgeMs, maxUses } = this.options;
    const { deadlines, random } = this.services;
    const share = 1 - LIFE_JITTER * random();
    return {
      endsAt: maxAgeMs === 0 ? Number.POSITIVE_INFINITY : deadlines.now + maxAgeMs * share,
      maxUses: maxUses === 0 ? Number.POSITIVE_INFINITY : Math.ceil(maxUses * share),
    };
  }

  // When it fails

  /**
   * A connection died under a request before a byte of the response came. A used one may have been closed by the target
   * at that moment: then the request is sent once more if that cannot do it twice (RFC 9110 §9.2.2, RFC 9112 §9.3.1). So is
   * one of which nothing was written, whatever its method; when that does not help, the target could not be reached.
   */
  private judge(connection: TargetConnection, { attempt: lost, unsent }: LostAttempt, error?: Error): void {
    const attempt = lost as PooledAttempt;
    const body = unsent ?? (isRepeatable(attempt.request) ? attempt.request.body : undefined);
    if (body !== undefined && !attempt.wasRepeated && (connection.uses > 1 || unsent !== undefined)) {
      attempt.wasRepeated = true;
      attempt.restart(body);
      this.closeIdle();
      return this.enqueue(attempt);
    }
    if (unsent !== undefined) attempt.body = unsent;
    attempt.fail(lossFailure(error, unsent !== undefined));
  }

  private closeIdle(): void {
    for (const connection of this.idle.takeAll()) connection.close();
  }

  private failNext(error: Error): void {
    this.takeWaiting()?.fail(connectFailure(error));
  }
}

function nameOf(place: Place): string {
  if (place.kind === 'unix') return `unix:${place.path}`;
  return `${place.host.includes(':') ? `[${place.host}]` : place.host}:${place.port}`;
}
