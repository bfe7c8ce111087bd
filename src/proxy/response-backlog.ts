import type { BufferBudget } from '../core/buffer-budget.ts';
import type { GatewayError } from '../core/errors.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { ResponseHead, ResponseSink, Tunnel } from '../core/message.ts';

/**
 * What of an answer was taken off its target while the client is slow to take it, so that the target's connection is free
 * when the response is over there, not here. Stands between the two once the client's side was full.
 */
export class ResponseBacklog implements ResponseSink {
  /** Set by the producer. */
  onDrain: (() => void) | undefined;
  private readonly sink: ResponseSink;
  private readonly budget: BufferBudget;
  private chunks: Uint8Array[] = [];
  private bytes = 0;
  /** Bytes that may wait here. */
  private room = 0;
  private isSinkFull = true;
  private ending: { readonly trailers: HeaderList | undefined } | undefined = undefined;
  private isOver = false;

  /** Takes the place of `sink`, which has just said that it is full. */
  constructor(sink: ResponseSink, budget: BufferBudget) {
    this.sink = sink;
    this.budget = budget;
    this.onDrain = sink.onDrain;
    sink.onDrain = () => this.drain();
  }

  /** Lets as many bytes as `room` wait. Answers whether any more can. */
  allow(room: number): boolean {
    this.room = room;
    return this.bytes < room;
  }

  /** The client is gone. */
  cancel(): void {
    this.isOver = true;
    this.drop();
  }

  write(chunk: Uint8Array): boolean {
    if (this.isOver) return true;
    if (!this.isSinkFull) {
      this.isSinkFull = !this.sink.write(chunk);
      return !this.isSinkFull;
    }
    const hasRoom = this.budget.take(chunk.length);
    // What is handed over now must be kept all the same.
    if (!hasRoom) this.budget.takeAnyway(chunk.length);
    this.chunks.push(Uint8Array.from(chunk));
    this.bytes += chunk.length;
    if (!hasRoom) this.room = 0;
    return this.bytes < this.room;
  }

  end(trailers?: HeaderList): void {
    if (this.isOver) return;
    this.ending = { trailers };
    if (this.chunks.length === 0) this.finish();
  }

  abort(error: GatewayError): void {
    if (this.isOver) return;
    this.cancel();
    this.sink.abort(error);
  }

  flush(): void {
    if (!this.isOver) this.sink.flush();
  }

  informational(status: number, headers: HeaderList): void {
    this.sink.informational(status, headers);
  }

  head(head: ResponseHead): void {
    this.sink.head(head);
  }

  switchProtocols(head: ResponseHead, tunnel: Tunnel): void {
    this.sink.switchProtocols(head, tunnel);
  }

  private drain(): void {
    if (this.isOver) return;
    this.isSinkFull = false;
    while (this.chunks.length > 0) {
      const chunk = this.chunks.shift() as Uint8Array;
      this.bytes -= chunk.length;
      this.budget.release(chunk.length);
      this.isSinkFull = !this.sink.write(chunk);
      if (this.isOver) return;
      if (this.isSinkFull && (this.chunks.length > 0 || this.ending === undefined)) return this.flush();
    }
    if (this.ending !== undefined) return this.finish();
    this.flush();
    this.onDrain?.();
  }

  private finish(): void {
    this.isOver = true;
    this.sink.onDrain = undefined;
    this.sink.end(this.ending?.trailers);
  }

  private drop(): void {
    this.chunks = [];
    this.budget.release(this.bytes);
    this.bytes = 0;
  }
}
