import type { BodySink } from '../../core/body.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Tunnel } from '../../core/message.ts';
import type { Transport } from '../transport.ts';

/** The target's side of a tunnel. */
export class TargetTunnel implements Tunnel {
  readonly length = undefined;
  onDrain: (() => void) | undefined = undefined;
  private readonly transport: Transport;
  private sink: BodySink | undefined = undefined;
  private readonly onWaits: () => void;
  /** What came before anybody took it. */
  private early: Buffer[] = [];
  private earlyError: Error | undefined = undefined;
  private hasSentEnd = false;
  private hasReceivedEnd = false;

  /** `onWaits` is called when what is sent has to wait for the target. */
  constructor(transport: Transport, onWaits: () => void) {
    this.transport = transport;
    this.onWaits = onWaits;
  }

  pipe(sink: BodySink): void {
    this.sink = sink;
    let goesOn = true;
    for (const chunk of this.early.splice(0)) goesOn = sink.write(chunk);
    if (this.earlyError !== undefined) sink.abort(this.earlyError);
    else if (this.hasReceivedEnd) sink.end();
    else if (goesOn) this.transport.resume();
  }

  resume(): void {
    this.transport.resume();
  }

  cancel(): void {
    this.transport.destroy();
  }

  write(chunk: Uint8Array): boolean {
    const goesOn = this.transport.write(chunk);
    if (!goesOn) this.onWaits();
    return goesOn;
  }

  end(): void {
    this.hasSentEnd = true;
    this.transport.end();
  }

  /** The client's connection is gone. Where both sides had ended, ours closes by itself when all is sent. */
  abort(): void {
    if (!this.hasSentEnd || !this.hasReceivedEnd) this.transport.destroy();
  }

  receive(chunk: Buffer): void {
    if (this.sink !== undefined) {
      if (!this.sink.write(chunk)) this.transport.pause();
      return;
    }
    // A policy may still look at the 101.
    this.early.push(Buffer.from(chunk));
    this.transport.pause();
  }

  receiveEnd(): void {
    this.hasReceivedEnd = true;
    this.sink?.end();
  }

  /** The target's connection is gone. Where both sides had ended, what it sent may still be on its way to the client. */
  receiveAbort(error: Error | undefined): void {
    if (error === undefined && this.hasSentEnd && this.hasReceivedEnd) return;
    const failure = error ?? new GatewayError('GW_UPSTREAM_BROKEN');
    if (this.sink === undefined) this.earlyError ??= failure;
    else this.sink.abort(failure);
  }

  drained(): void {
    this.onDrain?.();
  }
}
