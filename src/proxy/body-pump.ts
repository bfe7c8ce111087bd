import type { BodySink, BodySource } from '../core/body.ts';
import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { ClientSink } from '../core/message.ts';

/** Sends a body that the gateway or a policy made to the client, at the client's speed, each piece as it comes. */
export class BodyPump implements BodySink {
  private readonly source: BodySource;
  private client: ClientSink;
  private readonly exchange: Exchange;
  private isOver = false;
  private isFlushDue = false;

  constructor(source: BodySource, client: ClientSink, exchange: Exchange) {
    this.source = source;
    this.client = client;
    this.exchange = exchange;
  }

  start(): void {
    this.client.onDrain = () => {
      if (!this.isOver) this.source.resume();
    };
    try {
      this.source.pipe(this);
    } catch (error) {
      // The source may be a policy's own.
      this.abort(new GatewayError('GW_POLICY_FAILED', { cause: error }));
    }
  }

  /** Goes on with another sink, as fast as that one takes it. */
  redirect(client: ClientSink): void {
    this.client = client;
    if (!this.isOver) this.source.resume();
  }

  /** Stops: nobody takes the rest. */
  cancel(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.source.cancel();
  }

  write(chunk: Uint8Array): boolean {
    if (this.isOver) return false;
    if (!this.isFlushDue) {
      this.isFlushDue = true;
      queueMicrotask(() => {
        this.isFlushDue = false;
        this.client.flush();
      });
    }
    return this.client.write(chunk);
  }

  end(trailers?: HeaderList): void {
    if (this.isOver) return;
    this.isOver = true;
    this.client.end(trailers);
  }

  abort(error: Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.exchange.failure ??=
      error instanceof GatewayError ? error : new GatewayError('GW_POLICY_FAILED', { cause: error });
    this.client.abort(error);
  }
}
