import { GatewayError } from '../../core/errors.ts';
import type { HeaderList } from '../../core/header-list.ts';
import type { Deadlined, Deadlines } from '../deadlines.ts';
import type { Link } from '../link.ts';
import { Transport, type TransportOwner } from '../transport.ts';
import { logsIn, requiresLogin } from './connection-login.ts';
import { CLOSED, type ConnectionState, IDLE, RESTING } from './connection-state.ts';
import { RequestSender, type SenderOwner } from './request-sender.ts';
import type { TargetResponseHead } from './response-head.ts';
import { type ResponseOwner, ResponseReader } from './response-reader.ts';
import type { Attempt, ConnectionLife, LostAttempt, TargetTimes } from './target-attempt.ts';
import { brokenResponse, isEventStream, keepAliveLimit, type Reuse, reuseAfter } from './target-response.ts';
import { TargetTunnel } from './target-tunnel.ts';

/** What a connection tells the pool that it belongs to. */
export interface ConnectionOwner {
  /** It may take a request of anybody's. */
  onIdle(connection: TargetConnection): void;
  /** It may take a request again, but only of `login`, the client's connection that is logged in on it. */
  onReserved(connection: TargetConnection, login: object): void;
  /** It takes none for now, until it has been silent for some time. */
  onResting(connection: TargetConnection): void;
  /** It carries a tunnel or an event stream from now on, and no request after that. */
  onDetached(connection: TargetConnection): void;
  /** It is closed; its `lost` tells of a request that no byte of a response had come for. */
  onClosed(connection: TargetConnection, error: Error | undefined): void;
}

/** How long `Expect: 100-continue` keeps the body back when the target says nothing (RFC 9110 §10.1.1). */
const CONTINUE_MS = 1000;
/** How long a target has to be silent before a response to HEAD is believed to be over. */
const SILENCE_MS = 1000;

/**
 * One connection to a target, which stands: requests one after the other, each with its answer. `RequestSender` writes
 * the one, `ResponseReader` reads the other; here is what follows from both.
 *
 * | state    | request  | bytes    | whole response      | 101    | FIN    | loss   | time            | leave  |
 * |----------|----------|----------|---------------------|--------|--------|--------|-----------------|--------|
 * | idle     | exchange | closed   |                     |        | closed | closed | closed          | closed |
 * | resting  |          | closed   |                     |        | closed | closed | idle            | closed |
 * | exchange |          | exchange | idle resting closed | tunnel | closed | closed | exchange closed | closed |
 * | tunnel   |          | tunnel   |                     |        | tunnel | closed | tunnel closed   | closed |
 * | closed   |          | closed   |                     |        | closed | closed |                 | closed |
 *
 * Bytes that answer nothing end it: they must never be taken for the next response.
 */
export class TargetConnection implements TransportOwner, Deadlined, SenderOwner, ResponseOwner {
  deadline = Number.POSITIVE_INFINITY;
  /** How many exchanges it has carried. */
  uses = 0;
  /** The attempt that a closed connection leaves without a byte of a response, for the pool to judge. */
  lost: LostAttempt | undefined = undefined;
  /** Its neighbours among the idle connections of the pool. */
  above: TargetConnection | undefined = undefined;
  below: TargetConnection | undefined = undefined;
  /** Whose it is while it waits for the next request of the client that logged in on it. */
  login: object | undefined = undefined;
  private readonly owner: ConnectionOwner;
  private readonly times: TargetTimes;
  private readonly life: ConnectionLife;
  private readonly deadlines: Deadlines;
  private readonly transport: Transport;
  private readonly sender: RequestSender;
  private readonly reader: ResponseReader;
  private current: ConnectionState = IDLE;
  private idleLimitMs: number;
  private reuse: Reuse = 'never';
  /** Whether a login on it makes it that of one client. */
  private isLoggedIn = false;

  constructor(
    link: Link,
    owner: ConnectionOwner,
    times: TargetTimes,
    life: ConnectionLife,
    deadlines: Deadlines,
  ) {
    this.owner = owner;
    this.times = times;
    this.life = life;
    this.deadlines = deadlines;
    this.idleLimitMs = times.keepAliveMs;
    this.transport = Transport.adopt(link, this);
    this.sender = new RequestSender(this.transport, this);
    this.reader = new ResponseReader(this.transport, this);
    deadlines.watch(this);
  }

  get state(): ConnectionState {
    return this.current;
  }

  /**
   * Whether a request can be sent: also `false` for an idle connection whose end is known but not yet told, or whose idle time
   * is over, so that the target may just have closed it.
   */
  get isUsable(): boolean {
    return this.current === IDLE && !this.transport.isEnding && this.deadlines.now < this.deadline;
  }

  /** Tells the owner that it stands. */
  start(): void {
    this.becomeIdle();
  }

  /** Sends a request. Only on an idle connection. */
  send(attempt: Attempt): void {
    this.current = { kind: 'exchange', attempt };
    this.uses++;
    this.reuse = 'never';
    if (logsIn(attempt.request.headers)) this.isLoggedIn = true;
    this.transport.hasHandedOver = false;
    this.reader.begin(attempt);
    this.deadline = this.deadlines.after(CONTINUE_MS);
    // Where the target resets what it has just taken, nothing is lost but a head.
    this.sender.begin(attempt.request, attempt.body, this.uses === 1);
  }

  /** Takes more of a response than its slow client does, so that the connection may come free. */
  relieve(): void {
    this.reader.relieve();
  }

  /** Leaves `attempt` if it is under way. What was begun cannot be taken back, so the connection ends. */
  cancel(attempt: Attempt): void {
    if (this.current.kind === 'exchange' && this.current.attempt === attempt) this.close();
  }

  /** Closes it, whatever it does. */
  close(): void {
    this.leaveExchange();
    this.current = CLOSED;
    this.transport.destroy();
  }

  // What the socket says

  onBytes(bytes: Buffer, length: number): void {
    const { current } = this;
    if (current.kind === 'tunnel') return current.tunnel.receive(bytes.subarray(0, length));
    // What comes before a byte of the request is out answers something else.
    if (current.kind !== 'exchange' || !this.transport.hasHandedOver) return this.transport.destroy();
    current.attempt.hasReceived = true;
    const at = this.reader.receive(bytes, length);
    if (at < length && this.current.kind === 'tunnel')
      this.current.tunnel.receive(bytes.subarray(at, length));
  }

  onEnd(): void {
    if (this.current.kind === 'tunnel') return this.current.tunnel.receiveEnd();
    if (this.current.kind === 'exchange' && this.reader.isUntilClose && this.transport.isEndAuthentic)
      this.onWhole(undefined, true);
    this.transport.destroy();
  }

  onWriteWaits(): void {}

  onDrain(): void {
    if (this.current.kind === 'tunnel') this.current.tunnel.drained();
    else this.sender.drained();
  }

  onClose(error: Error | undefined): void {
    this.deadlines.forget(this);
    const { current } = this;
    this.current = CLOSED;
    if (current.kind === 'tunnel') current.tunnel.receiveAbort(error);
    if (current.kind === 'exchange') this.breakOff(current.attempt, error);
    this.owner.onClosed(this, error);
  }

  onDeadline(): void {
    switch (this.current.kind) {
      case 'idle':
        return this.close();
      case 'resting':
        return this.becomeIdle();
      case 'exchange':
        return this.checkExchange();
      case 'tunnel':
        return this.checkTunnel(this.current.tunnel);
    }
  }

  /** What waits for the target in a tunnel waits no longer than a request body does. */
  private checkTunnel(tunnel: TargetTunnel): void {
    this.deadline = Number.POSITIVE_INFINITY;
    if (!this.transport.isWritePending) return;
    if (this.transport.hasWriteProgressed()) return this.onBodyMoved();
    tunnel.receiveAbort(
      new GatewayError('GW_UPSTREAM_TIMEOUT', { cause: 'the target takes nothing of the tunnel' }),
    );
    this.transport.destroy();
  }

  // What the sender says

  onBodyMoved(): void {
    this.deadline = this.deadlines.after(this.times.idleMs);
  }

  onSent(): void {
    if (this.current.kind !== 'exchange') return;
    if (this.reader.isUntilClose) this.transport.requireCloseNotify();
    if (this.reader.phase === 'head')
      this.deadline = this.deadlines.after(this.current.attempt.request.responseTimeoutMs);
  }

  onSendFailed(failure: GatewayError): void {
    this.fail(failure);
  }

  // What the reader says

  onHead(head: TargetResponseHead): void {
    const { request } = (this.current as { attempt: Attempt }).attempt;
    this.reuse = reuseAfter(head, request.method);
    if (head.keepAliveSeconds !== undefined) this.idleLimitMs = keepAliveLimit(head.keepAliveSeconds);
    if (requiresLogin(head.headers)) this.isLoggedIn = true;
    this.onResponseMoved();
    if (this.reader.isUntilClose && this.sender.phase !== 'body') this.transport.requireCloseNotify();
    if (isEventStream(head)) this.detach();
  }

  onContinue(): void {
    this.sender.continue();
  }

  onSwitch({ status, reason, headers }: TargetResponseHead): void {
    const { sink } = (this.current as { attempt: Attempt }).attempt;
    const tunnel = new TargetTunnel(this.transport, () => this.onBodyMoved());
    this.leaveExchange();
    this.current = { kind: 'tunnel', tunnel };
    this.deadline = Number.POSITIVE_INFINITY;
    this.detach();
    sink.switchProtocols({ status, reason, headers, length: undefined }, tunnel);
  }

  onResponseMoved(): void {
    this.deadline = this.deadlines.after(this.times.idleMs);
  }

  /** Ends the response and gives the connection back, if it can be used again. */
  onWhole(trailers: HeaderList | undefined, hasMore: boolean): void {
    const { attempt } = this.current as { attempt: Attempt };
    const { sink } = attempt;
    const isSent = this.sender.phase === 'sent' && this.transport.isAllWritten;
    const isReusable = isSent && !hasMore && this.mayLiveOn(attempt);
    this.leaveExchange();
    if (!isReusable) this.close();
    else if (this.isLoggedIn) this.reserve(attempt.request.login as object);
    else this.goOn();
    sink.end(trailers);
  }

  onBroken(failure: GatewayError): void {
    this.fail(failure);
  }

  /** Whether another request may follow the one that `attempt` is. */
  private mayLiveOn({ request }: Attempt): boolean {
    if (this.reuse === 'never' || this.transport.isEnding) return false;
    if (this.uses >= this.life.maxUses || this.deadlines.now >= this.life.endsAt) return false;
    return !this.isLoggedIn || request.login !== undefined;
  }

  private goOn(): void {
    if (this.reuse === 'at-once') return this.becomeIdle();
    this.current = RESTING;
    this.transport.resume();
    if (this.reuse === 'after-silence') {
      this.deadline = this.deadlines.after(SILENCE_MS);
      return this.owner.onResting(this);
    }
    this.deadline = Number.POSITIVE_INFINITY;
    // Between the two, what has arrived is read.
    setImmediate(() => setImmediate(() => this.current === RESTING && this.becomeIdle()));
  }

  private becomeIdle(): void {
    this.stayIdle();
    this.owner.onIdle(this);
  }

  private reserve(login: object): void {
    this.stayIdle();
    this.owner.onReserved(this, login);
  }

  private stayIdle(): void {
    this.current = IDLE;
    this.deadline = Math.min(this.deadlines.after(this.idleLimitMs), this.life.endsAt);
    this.transport.resume();
  }

  /** Its place in the pool is for others: it may stay as it is for days. */
  private detach(): void {
    this.reuse = 'never';
    this.owner.onDetached(this);
  }

  private checkExchange(): void {
    const { reader, sender } = this;
    if (reader.phase === 'body') {
      if (reader.isSinkFull) return this.onResponseMoved();
      return this.fail(new GatewayError('GW_UPSTREAM_TIMEOUT', { cause: 'the response body stalled' }));
    }
    if (sender.phase === 'awaiting-continue') return sender.continue();
    if (sender.phase === 'body') return this.checkSending();
    this.fail(new GatewayError('GW_UPSTREAM_TIMEOUT', { cause: 'no response head before the timeout' }));
  }

  /** The target is late only where it takes none of what waits; else it is the client's turn, who has its own limits. */
  private checkSending(): void {
    if (!this.transport.isWritePending || this.transport.hasWriteProgressed()) return this.onBodyMoved();
    this.fail(new GatewayError('GW_UPSTREAM_TIMEOUT', { cause: 'the target takes no more of the request' }));
  }

  private fail(failure: GatewayError): void {
    const { current } = this;
    this.close();
    if (current.kind === 'exchange') current.attempt.sink.abort(failure);
  }

  /** The connection died under an exchange. */
  private breakOff(attempt: Attempt, error: Error | undefined): void {
    this.reader.leave();
    if (!attempt.hasReceived) {
      const hasSent = this.transport.hasHandedOver;
      this.lost = hasSent ? { attempt, unsent: undefined } : { attempt, unsent: this.sender.takeUnsent() };
      return this.sender.drop();
    }
    this.sender.drop();
    attempt.sink.abort(brokenResponse(error ?? 'the connection ended before the response did'));
  }

  private leaveExchange(): void {
    if (this.current.kind !== 'exchange') return;
    this.reader.leave();
    this.sender.drop();
  }
}
