import type { Socket } from 'node:net';
import { type FailureCode, GatewayError } from '../../core/errors.ts';
import type { ClientInfo, Tunnel } from '../../core/message.ts';
import type { Deadlined } from '../deadlines.ts';
import type { HeadFault } from '../head-fault.ts';
import { Transport, type TransportOwner } from '../transport.ts';
import { halfTunnelDeadline, headDeadline, idleDeadline } from './client-deadlines.ts';
import { ClientExchange, type ExchangeConnection } from './client-exchange.ts';
import { ClientProbe } from './client-probe.ts';
import { CLOSED, type ClientState, HEAD, IDLE } from './client-state.ts';
import { ClientTunnel, type TunnelConnection } from './client-tunnel.ts';
import { Lingering } from './lingering.ts';
import { replyText } from './reply-text.ts';
import type { RequestBody } from './request-body.ts';
import type { RequestHead } from './request-head.ts';
import { type ReaderOwner, RequestReader } from './request-reader.ts';
import { SendWatch } from './send-watch.ts';
import type { ServeOptions } from './serve-options.ts';

/** Behind which answer the connection ends: none yet, the one under way, or the next one, whose head says so. */
type Ending = 'open' | 'after-current' | 'after-next';

/**
 * Serves one client connection: requests one after the other, each answered before the next is looked at. `RequestReader`
 * reads, the exchange writes; here is what follows from both. What each state may become:
 *
 * | state      | piece | head     | fault     | body           | response                  | 101    | FIN              | time                 | drain()    | loss   |
 * |------------|-------|----------|-----------|----------------|---------------------------|--------|------------------|----------------------|------------|--------|
 * | idle       | head  | exchange | lingering |                |                           |        | closed           | lingering            | lingering  | closed |
 * | head       | head  | exchange | lingering |                |                           |        | closed lingering | lingering            | head       | closed |
 * | exchange   |       |          |           | exchange       | idle discarding lingering | tunnel | probing closed   | exchange             | exchange   | closed |
 * | probing    |       |          |           |                | closed lingering          | tunnel |                  | probing              | probing    | closed |
 * | discarding |       |          |           | idle lingering |                           |        | closed           | discarding lingering | discarding | closed |
 * | tunnel     |       |          |           |                |                           |        | tunnel           | tunnel closed        | tunnel     | closed |
 * | lingering  |       |          |           |                |                           |        | closed           | closed               | lingering  | closed |
 * | closed     |       |          |           |                |                           |        |                  | closed               | closed     | closed |
 *
 * `piece` is a head that is not complete, `body` the last byte of one, `time` the deadline of the state. While bytes wait
 * for the client, the deadline is that of sending instead, except for a tunnel of which one side has ended.
 */
export class ClientConnection
  implements TransportOwner, ReaderOwner, ExchangeConnection, TunnelConnection, Deadlined
{
  readonly client: ClientInfo;
  readonly input: RequestReader;
  deadline: number;
  private current: ClientState = IDLE;
  private ending: Ending = 'open';
  private hasPeerEnded = false;
  private closeFailure: FailureCode = 'GW_CLIENT_CLOSED';
  private readonly options: ServeOptions;
  private readonly onClosed: () => void;
  private readonly transport: Transport;
  private readonly sending: SendWatch;

  constructor(socket: Socket, client: ClientInfo, options: ServeOptions, onClosed: () => void) {
    this.options = options;
    this.client = client;
    this.onClosed = onClosed;
    options.deadlines.look();
    this.deadline = options.deadlines.after(options.limits.headerTimeoutMs);
    this.transport = Transport.accept(socket, this);
    this.input = new RequestReader(this, this.transport, options);
    this.sending = new SendWatch(this.transport, options.deadlines, options.limits.sendIdleMs);
    options.deadlines.watch(this);
  }

  get state(): ClientState {
    return this.current;
  }

  /** Whether it ends behind the response under way, or the next one. */
  get isClosing(): boolean {
    return this.ending !== 'open';
  }

  /** Lets the response under way be the last; closes at once when there is none. */
  drain(): void {
    this.ending = 'after-current';
    if (this.current === IDLE) this.closeGracefully();
  }

  /** Lets the next response be the last, of which the client is told in its head. */
  drainWithGrace(): void {
    this.ending = 'after-next';
  }

  destroy(): void {
    this.closeFailure = 'GW_SHUTTING_DOWN';
    this.transport.destroy();
  }

  // What the socket says

  onBytes(bytes: Buffer, length: number): void {
    this.input.pace.read();
    if (this.current.kind === 'lingering') this.deadline = this.current.next();
    else this.input.receive(bytes, length);
  }

  onEnd(): void {
    this.hasPeerEnded = true;
    const { current } = this;
    switch (current.kind) {
      case 'tunnel':
        return current.passOnEnd();
      case 'head':
        return this.onFault({ code: 'GW_BAD_REQUEST', detail: 'the request is not complete' });
      case 'exchange':
        return current.isRequestComplete ? this.probe(current) : this.transport.destroy();
      case 'discarding':
        return this.transport.destroy();
      default:
        this.current = CLOSED;
        return this.transport.end();
    }
  }

  onWriteWaits(): void {
    if (this.current.kind === 'tunnel' && this.current.isHalf) return;
    this.sending.progress();
    this.deadline = this.sending.next();
  }

  onDrain(): void {
    this.sending.progress();
    const { current } = this;
    switch (current.kind) {
      case 'idle':
      case 'head':
        this.watchIdle();
        return this.input.work();
      case 'exchange':
        if (current.isRequestComplete) this.deadline = Number.POSITIVE_INFINITY;
        return current.onDrain?.();
      case 'probing':
        this.deadline = current.next();
        return current.exchange.onDrain?.();
      case 'tunnel':
        return current.resume();
      case 'lingering':
        this.deadline = current.next();
    }
  }

  onClose(error: Error | undefined): void {
    this.options.deadlines.forget(this);
    this.input.close();
    const { current } = this;
    this.current = CLOSED;
    if (current.kind === 'tunnel') current.breakOff(error, this.closeFailure);
    else if (current.kind === 'exchange') current.leave(this.closeFailure);
    else if (current.kind === 'probing') current.exchange.leave(this.closeFailure);
    this.onClosed();
  }

  // What the reader says

  onHeadBegins(): void {
    this.deadline = headDeadline(this.options);
  }

  onPiece(): void {
    if (this.current === HEAD) return;
    this.current = HEAD;
    // What is left of the head may come any time from now on: the clock must not be that of before a blocked event loop.
    this.options.deadlines.look();
    this.onHeadBegins();
  }

  onHead(head: RequestHead): void {
    const exchange = new ClientExchange(this, head);
    this.current = exchange;
    this.deadline = Number.POSITIVE_INFINITY;
    this.options.handler(exchange, exchange);
  }

  onFault(fault: HeadFault): void {
    const error = new GatewayError(fault.code, { detail: fault.detail });
    const reply = this.options.reject(error, this.client);
    this.input.drop();
    this.send(replyText(reply, this.wallClock()));
    this.closeGracefully();
  }

  onMalformedBody(): void {
    this.ending = 'after-current';
    if (this.current.kind === 'exchange')
      this.current.breakRequest('GW_BAD_REQUEST', 'the chunked body is malformed');
  }

  // What the exchange says

  get isWritePending(): boolean {
    return this.transport.isWritePending;
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

  readBody(body: RequestBody): void {
    this.input.work();
    if (body.isAwaited) this.watchBody(body);
  }

  endRequest(): void {
    if (!this.transport.isWritePending) this.deadline = Number.POSITIVE_INFINITY;
    if (this.current.kind === 'discarding') this.nextRequest();
  }

  finishExchange(exchange: ClientExchange): void {
    const { current } = this;
    const isProbed = current.kind === 'probing' && current.exchange === exchange;
    if (current !== exchange && !isProbed) return;
    if (!exchange.isPersistent) return this.closeGracefully();
    if (exchange.isRequestComplete) this.nextRequest();
    else this.discard(exchange.incoming as RequestBody);
    this.input.work();
  }

  joinTunnel(exchange: ClientExchange, tunnel: Tunnel): void {
    const joined = new ClientTunnel(exchange, tunnel, this.transport, this);
    this.current = joined;
    this.deadline = Number.POSITIVE_INFINITY;
    joined.start();
    this.input.work();
    // Told before there was a tunnel to tell it to.
    if (this.hasPeerEnded) joined.passOnEnd();
  }

  // What the tunnel says

  resumeWork(): void {
    this.input.resumeWork();
  }

  awaitOtherSide(): void {
    this.deadline = halfTunnelDeadline(this.options);
  }

  // From one state to the next

  private nextRequest(): void {
    this.current = IDLE;
    if (this.ending === 'after-current') this.closeGracefully();
    else this.watchIdle();
  }

  private discard(body: RequestBody): void {
    body.discard();
    this.current = { kind: 'discarding', body };
    this.watchBody(body);
  }

  /** The client sent FIN behind a whole request: it may have left, or only have said all. */
  private probe(exchange: ClientExchange): void {
    exchange.isPersistent = false;
    const probe = new ClientProbe(exchange, this.options.deadlines);
    this.current = probe;
    if (!this.transport.isWritePending) this.deadline = probe.ask(this);
  }

  /** Sends FIN behind the last response, and waits for that of the client. */
  private closeGracefully(): void {
    this.ending = 'after-current';
    this.transport.end();
    if (this.hasPeerEnded && !this.transport.isWritePending) {
      this.current = CLOSED;
      return;
    }
    const lingering = new Lingering(this.options.deadlines);
    this.current = lingering;
    this.deadline = lingering.next();
    this.transport.useSharedBuffer();
    this.transport.resume();
  }

  // Times

  onDeadline(): void {
    const { current } = this;
    if (current.kind === 'tunnel' && current.isHalf) return this.transport.reset();
    if (this.transport.isWritePending) return this.checkSending();
    this.deadline = Number.POSITIVE_INFINITY;
    switch (current.kind) {
      case 'idle':
        return this.closeGracefully();
      case 'head':
        return this.onFault({
          code: 'GW_REQUEST_TIMEOUT',
          detail: 'the request header did not arrive before the timeout',
        });
      case 'exchange':
        return current.isRequestComplete ? undefined : this.checkBody(current);
      case 'discarding':
        return this.checkRest(current.body);
      case 'probing':
        this.deadline = current.ask(this);
        return;
      case 'lingering':
        return this.transport.destroy();
    }
  }

  private checkSending(): void {
    if (this.sending.isStalled()) this.transport.reset();
    else this.deadline = this.sending.next();
  }

  private checkBody(exchange: ClientExchange): void {
    const body = exchange.incoming as RequestBody;
    if (!body.isTooSlow()) this.deadline = this.nextBodyCheck();
    else exchange.breakRequest('GW_REQUEST_TIMEOUT', 'the request body did not arrive before the timeout');
  }

  private checkRest(body: RequestBody): void {
    if (body.isTooSlow()) this.closeGracefully();
    else this.deadline = this.nextBodyCheck();
  }

  private watchIdle(): void {
    if (this.transport.isWritePending) return;
    this.deadline = idleDeadline(this.options, this.current === HEAD);
  }

  private watchBody(body: RequestBody): void {
    body.want();
    // A check that is due stays due, or a target that takes each byte by itself would put it off for ever.
    if (this.deadline === Number.POSITIVE_INFINITY) this.deadline = this.nextBodyCheck();
  }

  private nextBodyCheck(): number {
    return this.options.deadlines.after(this.input.pace.checkMs);
  }
}
