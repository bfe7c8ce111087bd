import type { BodySink } from '../../core/body.ts';
import { type FailureCode, GatewayError } from '../../core/errors.ts';
import type { Tunnel } from '../../core/message.ts';
import type { Transport } from '../transport.ts';
import type { ClientExchange } from './client-exchange.ts';

/** What a tunnel needs of the client connection that it took over. */
export interface TunnelConnection {
  /** One side has said all: the other has limited time to say something. */
  awaitOtherSide(): void;
  /** The client is to take more before it gets more. */
  onWriteWaits(): void;
  /** The target can take more again. */
  resumeWork(): void;
}

/** Joins a client's connection with the target's side of a tunnel: bytes both ways, at the speed of who takes them. */
export class ClientTunnel implements BodySink {
  readonly kind = 'tunnel';
  /** The exchange that became it. */
  readonly exchange: ClientExchange;
  isPaused = false;
  /** Whether one side has said all. */
  isHalf = false;
  private hasClientEnded = false;
  private readonly tunnel: Tunnel;
  private readonly transport: Transport;
  private readonly connection: TunnelConnection;
  private bytesSent = 0;

  constructor(exchange: ClientExchange, tunnel: Tunnel, transport: Transport, connection: TunnelConnection) {
    this.exchange = exchange;
    this.tunnel = tunnel;
    this.transport = transport;
    this.connection = connection;
  }

  start(): void {
    this.tunnel.onDrain = () => {
      this.isPaused = false;
      this.connection.resumeWork();
    };
    this.tunnel.pipe(this);
  }

  /** Passes the client's bytes on. Answers `false` when the target cannot take more for now. */
  passOn(bytes: Buffer): boolean {
    if (this.isHalf) this.connection.awaitOtherSide();
    this.exchange.tunnelBytes += bytes.length;
    const goesOn = this.tunnel.write(bytes);
    if (!goesOn) {
      this.isPaused = true;
      this.transport.pause();
    }
    return goesOn;
  }

  /** The client has said all. */
  passOnEnd(): void {
    this.isHalf = true;
    this.hasClientEnded = true;
    this.connection.awaitOtherSide();
    this.tunnel.end();
  }

  /** The client is gone: `error`, or `failure` where the connection just ended. */
  breakOff(error: Error | undefined, failure: FailureCode): void {
    this.tunnel.abort(error ?? new GatewayError(failure));
    this.exchange.leave(failure);
  }

  /** The client can take more again. */
  resume(): void {
    this.tunnel.resume();
  }

  // The target's bytes

  write(chunk: Uint8Array): boolean {
    this.bytesSent += chunk.length;
    if (this.hasClientEnded) this.connection.awaitOtherSide();
    if (!this.transport.write(chunk)) this.connection.onWriteWaits();
    return !this.transport.isWritePending;
  }

  end(): void {
    this.isHalf = true;
    this.transport.end();
    this.connection.awaitOtherSide();
    this.exchange.finishTunnel(this.bytesSent);
  }

  abort(): void {
    this.transport.reset();
  }
}
