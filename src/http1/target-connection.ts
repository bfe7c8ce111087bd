import type { BodySink, BodySource } from '../core/body.ts';
import { GatewayError } from '../core/errors.ts';
import { FieldKind } from '../core/field-kind.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { Deadlined, Deadlines } from './deadlines.ts';
import { type Framing, readResponseHead, type TargetResponseHead } from './head.ts';
import { RESPONSE } from './llhttp.ts';
import { MessageParser } from './message-parser.ts';
import { falseLength, RequestWriter } from './request-writer.ts';
import { brokenAnswer, keepAliveLimit, toResponseHead } from './target-answer.ts';
import { type Attempt, type LostAttempt, RESPONSE_LIMITS, type TargetTimes } from './target-attempt.ts';
import { TargetTunnel } from './target-tunnel.ts';
import type { Transport, TransportOwner } from './transport.ts';

/** What a connection tells the pool that it belongs to. */
export interface ConnectionOwner {
  /** The connection can be used: it is connected, or has finished an exchange and may take another. */
  onIdle(connection: TargetConnection): void;
  /** The connection is gone; its `lost` tells of a request that no byte of an answer had come for. */
  onGone(connection: TargetConnection, error: Error | undefined, wasConnecting: boolean): void;
}

/** How long `Expect: 100-continue` keeps the body back when the target says nothing (RFC 9110 §10.1.1). */
const CONTINUE_MS = 1000;
const MAX_INFORMATIONAL = 20;
const OWN_BUFFER_BYTES = 16 * 1024;

type State = 'connecting' | 'idle' | 'awaiting-head' | 'body' | 'tunnel' | 'gone';

/** One connection to a target: requests one after the other, each with its answer. */
export class TargetConnection implements TransportOwner, Deadlined, BodySink {
  deadline: number;
  /** How many exchanges it has carried. */
  uses = 0;
  private readonly owner: ConnectionOwner;
  private readonly times: TargetTimes;
  private readonly deadlines: Deadlines;
  private readonly transport: Transport;
  private readonly parser = new MessageParser(RESPONSE, RESPONSE_LIMITS);
  private state: State = 'connecting';
  private attempt: Attempt | undefined = undefined;
  private tunnel: TargetTunnel | undefined = undefined;
  // The request under way
  private body: BodySource | undefined = undefined;
  private readonly writer: RequestWriter;
  private isRequestComplete = false;
  private isAwaitingContinue = false;
  private needsResume = false;
  // The answer under way
  private framing: Framing = 'none';
  private due = 0;
  private isPersistent = false;
  private idleLimitMs: number;
  private informationals = 0;
  private isSinkFull = false;
  private readonly onSinkDrain = () => this.resumeReading();
  private failure: GatewayError | undefined = undefined;

  constructor(
    connect: (owner: TransportOwner, onReady: () => void) => Transport,
    owner: ConnectionOwner,
    times: TargetTimes,
    deadlines: Deadlines,
  ) {
    this.owner = owner;
    this.times = times;
    this.deadlines = deadlines;
    this.idleLimitMs = times.keepAliveMs;
    this.deadline = deadlines.after(times.connectMs);
    this.transport = connect(this, () => {
      if (this.state !== 'connecting') return;
      this.state = 'idle';
      this.owner.onIdle(this);
    });
    this.writer = new RequestWriter(this.transport);
    deadlines.watch(this);
  }

  get isConnecting(): boolean {
    return this.state === 'connecting';
  }

  /** Whether a request can be sent: also `false` for an idle connection whose end is known but not yet told. */
  get isUsable(): boolean {
    return this.state === 'idle' && !this.transport.isEnding;
  }

  /** Sends a request. Only on an idle connection. */
  send(attempt: Attempt): void {
    const { request, sink } = attempt;
    this.attempt = attempt;
    this.state = 'awaiting-head';
    this.uses++;
    this.informationals = 0;
    this.isPersistent = false;
    this.isRequestComplete = false;
    this.isAwaitingContinue =
      request.body.length !== 0 && request.headers.getKind(FieldKind.expect) !== undefined;
    this.transport.hasHandedOver = false;
    this.writer.begin(request);
    sink.onDrain = this.onSinkDrain;
    if (this.isAwaitingContinue) {
      this.deadline = this.deadlines.after(CONTINUE_MS);
      this.writer.flush();
    } else this.sendBody(request.body);
  }

  /** Leaves `attempt` if it is under way. What was begun cannot be taken back, so the connection ends. */
  cancel(attempt: Attempt): void {
    if (this.attempt !== attempt) return;
    this.attempt = undefined;
    this.dropRequestBody();
    this.transport.destroy();
  }

  /** Closes an idle connection. */
  close(): void {
    this.state = 'gone';
    this.transport.destroy();
  }

  // The request's body, as its sink

  write(chunk: Uint8Array): boolean {
    if (this.attempt === undefined || this.isRequestComplete) return true;
    if (!this.writer.write(chunk)) this.fail(falseLength('longer'));
    if (!this.transport.isWritePending) return true;
    this.needsResume = true;
    return false;
  }

  end(trailers?: HeaderList): void {
    if (this.attempt === undefined || this.isRequestComplete) return;
    if (!this.writer.end(trailers)) return this.fail(falseLength('shorter'));
    this.isRequestComplete = true;
    this.body = undefined;
    if (this.state === 'awaiting-head') this.awaitHead();
  }

  /** The client's body broke: the target must not take it as whole. */
  abort(error: Error): void {
    if (this.attempt === undefined || this.isRequestComplete) return;
    const failure =
      error instanceof GatewayError ? error : new GatewayError('GW_BAD_REQUEST', { cause: error });
    this.body = undefined;
    this.fail(failure);
  }

  // What the socket says

  onBytes(bytes: Buffer, length: number): void {
    if (this.attempt === undefined) {
      // Bytes that answer nothing, or come behind the end: never to be taken for the next answer.
      if (this.tunnel === undefined) return this.transport.destroy();
      this.tunnel.receive(bytes.subarray(0, length));
      return;
    }
    this.attempt.hasReceived = true;
    const sink = this.attempt.sink;
    let at = 0;
    while (at < length && this.attempt !== undefined) at = this.take(bytes, at, length);
    if (at < length && this.tunnel !== undefined) this.tunnel.receive(bytes.subarray(at, length));
    sink.flush();
  }

  onEnd(): void {
    if (this.tunnel !== undefined) return this.tunnel.receiveEnd();
    if (this.attempt !== undefined && this.state === 'body' && this.framing === 'until-close')
      this.complete(undefined, true);
    this.transport.destroy();
  }

  onWriteWaits(): void {}

  onDrain(): void {
    if (this.tunnel !== undefined) return this.tunnel.drained();
    if (!this.needsResume) return;
    this.needsResume = false;
    if (this.isRequestComplete && this.state === 'awaiting-head') return this.awaitHead();
    this.watchIdleBody();
    this.body?.resume();
  }

  onClose(error: Error | undefined): void {
    this.deadlines.forget(this);
    this.parser.finish();
    this.tunnel?.receiveAbort(error);
    const { attempt, body } = this;
    const isConnecting = this.state === 'connecting';
    this.state = 'gone';
    this.attempt = undefined;
    this.body = undefined;
    if (attempt !== undefined && this.failure === undefined && !attempt.hasReceived) {
      this.lost = { attempt, body, hasSent: this.transport.hasHandedOver };
    } else if (attempt !== undefined) {
      body?.cancel();
      attempt.sink.abort(this.failure ?? brokenAnswer(error ?? 'the connection ended before the answer did'));
    }
    this.owner.onGone(this, isConnecting ? (this.failure ?? error) : error, isConnecting);
  }

  /** The attempt that a closed connection leaves without a byte of an answer, for the pool to judge. */
  lost: LostAttempt | undefined = undefined;

  onDeadline(): void {
    switch (this.state) {
      case 'connecting':
        return this.fail(new GatewayError('GW_UPSTREAM_UNREACHABLE', { cause: 'connecting took too long' }));
      case 'idle':
        return this.close();
      case 'awaiting-head':
        if (this.isAwaitingContinue) return this.stopAwaitingContinue();
        if (!this.isRequestComplete) return this.checkSending();
        return this.fail(new GatewayError('GW_UPSTREAM_TIMEOUT', { cause: 'no response head in time' }));
      case 'body':
        if (this.isSinkFull) return this.watchIdleBody();
        return this.fail(new GatewayError('GW_UPSTREAM_TIMEOUT', { cause: 'the response body stalled' }));
    }
  }

  // Sending

  private sendBody(body: BodySource): void {
    if (body.length === 0) return this.end();
    this.body = body;
    this.deadline = this.deadlines.after(this.times.idleMs);
    body.pipe(this);
    if (!this.isRequestComplete) this.writer.flush();
  }

  /** The target is late only where it takes none of what waits; else it is the client's turn, who has its own limits. */
  private checkSending(): void {
    if (!this.transport.isWritePending || this.transport.hasWriteProgressed()) return this.watchIdleBody();
    this.fail(new GatewayError('GW_UPSTREAM_TIMEOUT', { cause: 'the target takes no more of the request' }));
  }

  private stopAwaitingContinue(): void {
    this.isAwaitingContinue = false;
    if (this.attempt !== undefined) this.sendBody(this.attempt.request.body);
  }

  private awaitHead(): void {
    const attempt = this.attempt as Attempt;
    this.deadline = this.deadlines.after(attempt.request.responseTimeoutMs);
  }

  private dropRequestBody(): void {
    const body = this.body;
    this.body = undefined;
    this.isRequestComplete = true;
    body?.cancel();
  }

  // Receiving

  private take(bytes: Buffer, at: number, length: number): number {
    if (this.state === 'awaiting-head') return this.takeHead(bytes, at, length);
    switch (this.framing) {
      case 'chunked':
        return this.takeChunked(bytes, at, length);
      case 'length':
        return this.takeCounted(bytes, at, length);
      default:
        this.transport.useOwnBuffer();
        this.give(bytes.subarray(at, length), false);
        return length;
    }
  }

  private takeHead(bytes: Buffer, at: number, length: number): number {
    const outcome = this.parser.parseHead(bytes, at, length);
    if (outcome === 'more') return length;
    if (outcome !== 'head') {
      this.fail(brokenAnswer(outcome === 'error' ? this.parser.errorReason : outcome));
      return length;
    }
    const next = this.parser.position;
    const head = readResponseHead(this.parser, (this.attempt as Attempt).request.method);
    if ('code' in head) this.fail(brokenAnswer(head.detail));
    else if (head.status >= 200) this.startAnswer(head, next < length);
    else this.takeInterim(head);
    return this.attempt === undefined && this.tunnel === undefined ? length : next;
  }

  private takeInterim(head: TargetResponseHead): void {
    this.parser.finish();
    if (head.status === 101) return this.switchProtocols(head);
    if (++this.informationals > MAX_INFORMATIONAL)
      return this.fail(brokenAnswer('too many interim responses'));
    if (head.status !== 100) (this.attempt as Attempt).sink.informational(head.status, head.headers);
    else if (this.isAwaitingContinue) this.stopAwaitingContinue();
  }

  private switchProtocols(head: TargetResponseHead): void {
    const { sink, request } = this.attempt as Attempt;
    if (request.upgrade === undefined || head.upgrade !== request.upgrade) {
      return this.fail(brokenAnswer('the target switched protocols unasked'));
    }
    this.attempt = undefined;
    this.state = 'tunnel';
    this.deadline = Number.POSITIVE_INFINITY;
    this.tunnel = new TargetTunnel(this.transport);
    const { status, reason, headers } = head;
    sink.switchProtocols({ status, reason, headers, length: undefined }, this.tunnel);
  }

  private startAnswer(head: TargetResponseHead, hasMore: boolean): void {
    const { sink, request } = this.attempt as Attempt;
    this.state = 'body';
    this.framing = head.framing;
    this.due = head.length;
    this.isPersistent = head.isPersistent;
    this.isAwaitingContinue = false;
    if (head.keepAliveSeconds !== undefined) this.idleLimitMs = keepAliveLimit(head.keepAliveSeconds);
    if (head.framing === 'chunked') this.parser.beginChunked();
    else this.parser.finish();
    this.watchIdleBody();
    sink.head(toResponseHead(head, request.method));
    if (head.framing === 'none' && this.attempt !== undefined) this.complete(undefined, hasMore);
  }

  private takeCounted(bytes: Buffer, at: number, length: number): number {
    const taken = Math.min(this.due, length - at);
    this.due -= taken;
    if (this.due > OWN_BUFFER_BYTES) this.transport.useOwnBuffer();
    this.give(bytes.subarray(at, at + taken), this.due === 0);
    if (this.due === 0 && this.attempt !== undefined) this.complete(undefined, at + taken < length);
    return at + taken;
  }

  private takeChunked(bytes: Buffer, at: number, length: number): number {
    const outcome = this.parser.parseChunked(bytes, at, length);
    const next = this.parser.position;
    if (outcome === 'error' || outcome === 'overhead') {
      const isError = outcome === 'error';
      this.fail(brokenAnswer(isError ? this.parser.errorReason : 'chunk framing takes too much room'));
      return length;
    }
    if (length - at > OWN_BUFFER_BYTES) this.transport.useOwnBuffer();
    const trailers = this.parser.trailers;
    if (this.parser.chunk !== undefined) this.give(this.parser.chunk, outcome === 'end');
    if (outcome === 'end' && this.attempt !== undefined) this.complete(trailers, next < length);
    return next;
  }

  private give(chunk: Uint8Array, isLast: boolean): void {
    this.watchIdleBody();
    const attempt = this.attempt as Attempt;
    if (attempt.sink.write(chunk)) return;
    if (isLast || this.attempt !== attempt) return this.transport.forgetOwnBuffer();
    this.isSinkFull = true;
    this.transport.pause();
  }

  private resumeReading(): void {
    if (!this.isSinkFull) return;
    this.isSinkFull = false;
    this.watchIdleBody();
    this.transport.resume();
  }

  private watchIdleBody(): void {
    this.deadline = this.deadlines.after(this.times.idleMs);
  }

  /**
   * Ends the answer as whole and gives the connection back, if it can be used again: not when bytes came behind the
   * end, which could be taken for the answer to somebody else's request.
   */
  private complete(trailers: HeaderList | undefined, hasMore: boolean): void {
    const { sink } = this.attempt as Attempt;
    const isSent = this.isRequestComplete && this.transport.isAllWritten;
    const isReusable = this.isPersistent && isSent && !hasMore && !this.transport.isEnding;
    this.attempt = undefined;
    sink.onDrain = undefined;
    this.parser.finish();
    this.transport.useSharedBuffer();
    if (!this.isRequestComplete) this.dropRequestBody();
    if (!isReusable) this.transport.destroy();
    else this.becomeIdle();
    sink.end(trailers);
  }

  private becomeIdle(): void {
    this.state = 'idle';
    this.isSinkFull = false;
    this.deadline = this.deadlines.after(this.idleLimitMs);
    this.transport.resume();
    this.owner.onIdle(this);
  }

  private fail(failure: GatewayError): void {
    this.failure = failure;
    const attempt = this.attempt;
    this.attempt = undefined;
    this.dropRequestBody();
    this.transport.destroy();
    attempt?.sink.abort(failure);
  }
}
