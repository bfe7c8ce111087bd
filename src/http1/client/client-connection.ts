import type { Socket } from 'node:net';
import type { BodySink } from '../../core/body.ts';
import { type FailureCode, GatewayError } from '../../core/errors.ts';
import type { ClientInfo, Tunnel } from '../../core/message.ts';
import type { Deadlined } from '../deadlines.ts';
import type { HeadFault } from '../head-fault.ts';
import { REQUEST } from '../llhttp.ts';
import { MessageParser } from '../message-parser.ts';
import { Transport, type TransportOwner } from '../transport.ts';
import { ClientExchange, type ExchangeConnection } from './client-exchange.ts';
import { ClientProbe } from './client-probe.ts';
import { ClientTunnel, type TunnelConnection } from './client-tunnel.ts';
import { explainRefusal, TOO_MANY_EMPTY_LINES } from './explain-refusal.ts';
import { encodeRawQuery } from './raw-query.ts';
import { ReceivedBytes } from './received-bytes.ts';
import { replyText } from './reply-text.ts';
import { DISCARD, RequestBodyReader } from './request-body-reader.ts';
import { type RequestHead, readRequestHead } from './request-head.ts';
import { RequestPace } from './request-pace.ts';
import { RequestTurn } from './request-turn.ts';
import type { ServeOptions } from './serve-options.ts';

/** After the last answer, what still comes is dropped for so long, so that the answer is not lost: without a byte, in all. */
const LINGER_MS = 2000;
const MAX_LINGER_MS = 30_000;
/** How long a tunnel of which one side has said all waits for the other to say anything. */
const HALF_TUNNEL_MS = 30_000;
const RATE_CHECK_MS = 1000;

/** Serves one client connection: requests one after the other, each answered before the next is looked at. */
export class ClientConnection implements TransportOwner, ExchangeConnection, TunnelConnection, Deadlined {
  readonly client: ClientInfo;
  deadline: number;
  isClosing = false;
  private isRetiring = false;
  private closeFailure: FailureCode = 'GW_CLIENT_CLOSED';
  private readonly options: ServeOptions;
  private readonly onClosed: () => void;
  private readonly transport: Transport;
  private readonly parser: MessageParser;
  private exchange: ClientExchange | undefined = undefined;
  private tunnel: ClientTunnel | undefined = undefined;
  private readonly received = new ReceivedBytes();
  private readonly body: RequestBodyReader;
  private isWorking = false;
  private readonly turn = new RequestTurn();
  private isLingering = false;
  private lingersUntil = 0;
  hasPeerEnded = false;
  private readonly pace: RequestPace;
  private lastSentAt = 0;
  private readonly probe = new ClientProbe();

  constructor(socket: Socket, client: ClientInfo, options: ServeOptions, onClosed: () => void) {
    this.options = options;
    this.client = client;
    this.onClosed = onClosed;
    this.parser = new MessageParser(REQUEST, options.limits);
    this.pace = new RequestPace(options);
    this.deadline = options.deadlines.after(options.limits.headerTimeoutMs);
    this.transport = Transport.accept(socket, this);
    this.body = new RequestBodyReader(this.parser, this.transport);
    options.deadlines.watch(this);
  }

  get isWritePending(): boolean {
    return this.transport.isWritePending;
  }

  /** Lets the answer under way be the last; closes at once when there is none. */
  drain(): void {
    this.isClosing = true;
    this.isRetiring = false;
    if (this.exchange === undefined && !this.parser.isInHead && !this.isLingering) this.closeGracefully();
  }

  /** Lets the next answer be the last, of which the client is told in its head. */
  retire(): void {
    this.isClosing = true;
    this.isRetiring = true;
  }

  destroy(): void {
    this.closeFailure = 'GW_SHUTTING_DOWN';
    this.transport.destroy();
  }

  wallClock(): number {
    return this.options.clock.now();
  }

  send(text: string): void {
    if (!this.transport.write(text)) this.onWriteWaits();
  }

  sendBoth(text: string, chunk: Uint8Array): void {
    if (!this.transport.writeBoth(text, chunk)) this.onWriteWaits();
  }

  break(): void {
    this.transport.reset();
  }

  readBody(): void {
    this.work();
    if (this.exchange?.isRequestComplete === false && !this.exchange.isBodyPaused) this.watchBody();
  }

  finishExchange(exchange: ClientExchange): void {
    if (this.exchange !== exchange) return;
    if (!exchange.isPersistent || this.hasPeerEnded) return this.closeGracefully();
    if (exchange.isRequestComplete) this.nextRequest();
    else this.dropBody(exchange);
    this.work();
  }

  joinTunnel(tunnel: Tunnel): void {
    this.tunnel = new ClientTunnel(tunnel, this.transport, this);
    this.deadline = Number.POSITIVE_INFINITY;
    this.tunnel.start();
    this.work();
    // Told before there was a tunnel to tell it to.
    if (this.hasPeerEnded) this.tunnel.passOnEnd();
  }

  resumeWork(): void {
    if (!this.transport.isClosed) this.work();
  }

  finishTunnel(bytesSent: number): void {
    this.exchange?.finishTunnel(bytesSent);
  }

  awaitOtherSide(): void {
    this.deadline = this.options.deadlines.after(HALF_TUNNEL_MS);
  }

  onBytes(bytes: Buffer, length: number): void {
    this.pace.read();
    if (this.isLingering) return this.linger();
    this.received.add(bytes, length);
    this.work();
  }

  onEnd(): void {
    this.hasPeerEnded = true;
    if (this.tunnel !== undefined) return this.tunnel.passOnEnd();
    const exchange = this.exchange;
    if (exchange === undefined) {
      if (this.parser.isInHead)
        return this.refuse({ code: 'GW_BAD_REQUEST', detail: 'the request is not complete' });
      return this.transport.end();
    }
    if (!exchange.isRequestComplete) return this.transport.destroy();
    exchange.isPersistent = false;
    this.probe.start();
    if (!this.transport.isWritePending) this.probeClient();
  }

  onWriteWaits(): void {
    if (this.tunnel?.isHalf === true) return;
    this.lastSentAt = this.options.deadlines.now;
    this.deadline = this.options.deadlines.after(RATE_CHECK_MS);
  }

  onDrain(): void {
    this.lastSentAt = this.options.deadlines.now;
    if (this.tunnel !== undefined) return this.tunnel.resume();
    if (this.isLingering) this.linger();
    else if (this.exchange === undefined) {
      this.watchIdle();
      this.work();
    } else if (this.exchange.isRequestComplete) {
      this.deadline = this.hasPeerEnded
        ? this.options.deadlines.after(this.probe.waitMs)
        : Number.POSITIVE_INFINITY;
    }
    this.exchange?.onDrain?.();
  }

  onClose(error: Error | undefined): void {
    this.options.deadlines.forget(this);
    this.parser.finish();
    this.received.clear();
    this.tunnel?.breakOff(error ?? new GatewayError(this.closeFailure));
    this.exchange?.leave(this.closeFailure);
    this.onClosed();
  }

  onDeadline(): void {
    const exchange = this.exchange;
    if (this.tunnel?.isHalf === true) return this.transport.reset();
    if (this.transport.isWritePending) return this.checkSending();
    if (this.isLingering) return this.transport.destroy();
    if (exchange === undefined) return this.endIdle();
    if (this.hasPeerEnded) return this.probeClient();
    if (!exchange.isRequestComplete) return this.checkBody(exchange);
    this.deadline = Number.POSITIVE_INFINITY;
  }

  // Working off what was received

  private work(): void {
    if (this.isWorking) return;
    this.isWorking = true;
    while (!this.received.isEmpty && this.step()) {}
    this.isWorking = false;
    if (this.received.isEmpty) this.release();
    else this.keepRest();
  }

  /** Takes a part of what was received. Answers `false` when the rest has to wait. */
  private step(): boolean {
    if (this.tunnel !== undefined) return this.passOn(this.tunnel);
    if (this.isLingering || this.transport.isClosed) {
      this.received.drop();
      return true;
    }
    if (this.isBetweenRequests) this.received.skipEmptyLines();
    if (this.exchange === undefined && this.received.emptyLineBytes > this.options.limits.headerBytes)
      this.refuse(TOO_MANY_EMPTY_LINES);
    if (this.received.isEmpty) return true;
    // Answers that wait for the client would pile up if further requests were taken meanwhile.
    if (this.exchange === undefined)
      return !this.transport.isWritePending && this.turn.mayServe(this) && this.readHead();
    return this.exchange.isRequestComplete ? false : this.takeBody(this.exchange);
  }

  /** Whether what comes next begins a request. Empty lines before it are none (RFC 9112 §2.2). */
  private get isBetweenRequests(): boolean {
    return this.exchange === undefined ? !this.parser.isInHead : this.exchange.isRequestComplete;
  }

  private keepRest(): void {
    this.received.keep();
    this.transport.pause();
  }

  private release(): void {
    this.received.clear();
    if (this.exchange?.isBodyPaused !== true && this.tunnel?.isPaused !== true) this.transport.resume();
  }

  private passOn(tunnel: ClientTunnel): boolean {
    if (tunnel.isHalf) this.awaitOtherSide();
    return tunnel.passOn(this.received.takeAll());
  }

  private readHead(): boolean {
    const { limits, deadlines } = this.options;
    if (!this.parser.isInHead) {
      this.pace.start();
      const isBounded = limits.requestTimeoutMs > 0 && limits.requestTimeoutMs < limits.headerTimeoutMs;
      this.deadline = deadlines.after(isBounded ? limits.requestTimeoutMs : limits.headerTimeoutMs);
    }
    const { received } = this;
    const outcome = this.parser.parseHead(received.bytes, received.at, received.end);
    if (outcome === 'error' && this.options.takesRawQuery && encodeRawQuery(this.parser, received))
      return true;
    received.at = outcome === 'more' ? received.end : this.parser.position;
    if (outcome === 'more') return true;
    const head = outcome === 'head' ? readRequestHead(this.parser) : explainRefusal(outcome, this.parser);
    if ('code' in head) this.refuse(head);
    else this.startExchange(head);
    return true;
  }

  private startExchange(head: RequestHead): void {
    this.turn.count();
    this.received.emptyLineBytes = 0;
    this.body.begin(head.framing);
    const exchange = new ClientExchange(this, head);
    this.exchange = exchange;
    this.deadline = Number.POSITIVE_INFINITY;
    this.options.handler(exchange, exchange);
  }

  /** Gives body bytes to the exchange's sink. Answers `false` when they have to wait. */
  private takeBody(exchange: ClientExchange): boolean {
    const sink = exchange.bodySink;
    if (sink === undefined || exchange.isBodyPaused) return exchange.isDone && this.dropBody(exchange);
    if (this.body.take(this.received, exchange)) return this.giveBody(exchange, sink);
    this.received.drop();
    this.isClosing = true;
    exchange.breakBody(new GatewayError('GW_BAD_REQUEST', { detail: 'the chunked body is malformed' }));
    return false;
  }

  private dropBody(exchange: ClientExchange): boolean {
    exchange.bodySink = DISCARD;
    exchange.isBodyPaused = false;
    this.watchBody();
    return true;
  }

  private giveBody(exchange: ClientExchange, sink: BodySink): boolean {
    const { chunk, isLast } = this.body;
    this.body.chunk = undefined;
    const trailers = isLast ? this.body.trailers : undefined;
    if (isLast) this.endRequest(exchange);
    const goesOn = chunk === undefined || sink.write(chunk);
    // A chunk that waits in the system, or in a sink that is gone, must not be overwritten by the next read.
    if (!goesOn && (isLast || exchange.bodySink !== sink)) this.transport.forgetOwnBuffer();
    if (isLast) {
      sink.end(trailers);
      if (exchange.isDone && this.exchange === exchange) this.nextRequest();
      return true;
    }
    if (!goesOn && exchange.bodySink === sink) {
      exchange.isBodyPaused = true;
      this.transport.pause();
    }
    return goesOn;
  }

  private endRequest(exchange: ClientExchange): void {
    exchange.isRequestComplete = true;
    this.transport.useSharedBuffer();
    this.parser.finish();
    if (!this.transport.isWritePending) this.deadline = Number.POSITIVE_INFINITY;
  }

  private nextRequest(): void {
    this.exchange = undefined;
    if (this.isClosing && !this.isRetiring) return this.closeGracefully();
    this.watchIdle();
  }

  // Refusing and closing

  private refuse(fault: HeadFault): void {
    const error = new GatewayError(fault.code, { detail: fault.detail });
    const reply = this.options.refuse(error, this.client);
    this.received.drop();
    this.send(replyText(reply, this.wallClock()));
    this.parser.finish();
    this.closeGracefully();
  }

  /** Sends FIN and drops what still comes for a while: a reset would take the answer from the client. */
  private closeGracefully(): void {
    this.isClosing = true;
    this.exchange = undefined;
    this.transport.end();
    if (this.hasPeerEnded && !this.transport.isWritePending) return;
    this.isLingering = true;
    this.lingersUntil = this.options.deadlines.after(MAX_LINGER_MS);
    this.linger();
    this.transport.useSharedBuffer();
    this.transport.resume();
  }

  private linger(): void {
    this.deadline = Math.min(this.options.deadlines.after(LINGER_MS), this.lingersUntil);
  }

  private endIdle(): void {
    if (!this.parser.isInHead) return this.closeGracefully();
    this.refuse({ code: 'GW_REQUEST_TIMEOUT', detail: 'the request header did not arrive in time' });
  }

  // Times

  private watchIdle(): void {
    if (this.transport.isWritePending) return;
    const { limits, deadlines } = this.options;
    this.deadline = deadlines.after(this.parser.isInHead ? limits.headerTimeoutMs : limits.keepAliveMs);
  }

  private watchBody(): void {
    this.pace.want();
    // A check that is due stays due, or a target that takes each byte by itself would put it off for ever.
    if (this.deadline === Number.POSITIVE_INFINITY)
      this.deadline = this.options.deadlines.after(this.pace.checkMs);
  }

  private checkSending(): void {
    const now = this.options.deadlines.now;
    if (this.transport.hasWriteProgressed()) this.lastSentAt = now;
    if (now - this.lastSentAt > this.options.limits.sendIdleMs) return this.transport.reset();
    this.deadline = this.options.deadlines.after(RATE_CHECK_MS);
  }

  private checkBody(exchange: ClientExchange): void {
    this.deadline = this.options.deadlines.after(this.pace.checkMs);
    if (exchange.isBodyPaused) this.pace.pause();
    else if (this.pace.isTooSlow(exchange.bodyBytes)) this.giveUpOn(exchange);
  }

  private giveUpOn(exchange: ClientExchange): void {
    this.deadline = Number.POSITIVE_INFINITY;
    exchange.breakBody(
      new GatewayError('GW_REQUEST_TIMEOUT', { detail: 'the request body did not arrive in time' }),
    );
    if (exchange.isDone) this.closeGracefully();
  }

  private probeClient(): void {
    this.deadline = this.probe.ask(this, this.exchange, this.options.deadlines);
  }
}
