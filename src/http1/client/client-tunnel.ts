import type { BodySink } from '../../core/body.ts';
import type { Tunnel } from '../../core/message.ts';
import type { Transport } from '../transport.ts';

/** What a tunnel needs of the client connection that it took over. */
export interface TunnelConnection {
  /** Whether the client has said all. */
  readonly hasPeerEnded: boolean;
  /** One side has said all: the other has limited time to say something. */
  awaitOtherSide(): void;
  /** The client is to take more before it gets more. */
  onWriteWaits(): void;
  /** The target can take more again. */
  resumeWork(): void;
  /** The target has said all. */
  finishTunnel(bytesSent: number): void;
}

/** Joins a client's connection with the target's side of a tunnel: bytes both ways, at the speed of who takes them. */
export class ClientTunnel implements BodySink {
  isPaused = false;
  /** Whether one side has said all. */
  isHalf = false;
  private readonly tunnel: Tunnel;
  private readonly transport: Transport;
  private readonly connection: TunnelConnection;
  private bytesSent = 0;

  constructor(tunnel: Tunnel, transport: Transport, connection: TunnelConnection) {
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
    this.connection.awaitOtherSide();
    this.tunnel.end();
  }

  /** The client is gone. */
  breakOff(error: Error): void {
    this.tunnel.abort(error);
  }

  /** The client can take more again. */
  resume(): void {
    this.tunnel.resume();
  }

  // The target's bytes

  write(chunk: Uint8Array): boolean {
    this.bytesSent += chunk.length;
    if (this.connection.hasPeerEnded) this.connection.awaitOtherSide();
    if (!this.transport.write(chunk)) this.connection.onWriteWaits();
    return !this.transport.isWritePending;
  }

  end(): void {
    this.isHalf = true;
    this.transport.end();
    this.connection.awaitOtherSide();
    this.connection.finishTunnel(this.bytesSent);
  }

  abort(): void {
    this.transport.reset();
  }
}
