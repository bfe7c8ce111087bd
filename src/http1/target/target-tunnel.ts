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
  private early: Buffer[] = [];
  private hasSentEnd = false;
  private hasReceivedEnd = false;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  pipe(sink: BodySink): void {
    this.sink = sink;
    for (const chunk of this.early.splice(0)) this.receive(chunk);
  }

  resume(): void {
    this.transport.resume();
  }

  cancel(): void {
    this.transport.destroy();
  }

  write(chunk: Uint8Array): boolean {
    return this.transport.write(chunk);
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
    if (this.sink === undefined) this.early.push(Buffer.from(chunk));
    else if (!this.sink.write(chunk)) this.transport.pause();
  }

  receiveEnd(): void {
    this.hasReceivedEnd = true;
    this.sink?.end();
  }

  /** The target's connection is gone. Where both sides had ended, what it sent may still be on its way to the client. */
  receiveAbort(error: Error | undefined): void {
    if (error === undefined && this.hasSentEnd && this.hasReceivedEnd) return;
    this.sink?.abort(error ?? new GatewayError('GW_UPSTREAM_BROKEN'));
  }

  drained(): void {
    this.onDrain?.();
  }
}
