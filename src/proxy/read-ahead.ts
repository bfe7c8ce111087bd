import type { BodySink, BodySource } from '../core/body.ts';
import type { BufferBudget } from '../core/buffer-budget.ts';
import type { HeaderList } from '../core/header-list.ts';

/** So much of a body is at hand before a connection to a target is taken for it. */
export const AHEAD_BYTES = 64 * 1024;

/** Hears how the beginning of a body comes in. */
export interface ReadAheadOwner {
  /** Some of it came. */
  onBodyCame(): void;
  /** Enough of it is at hand, or all. */
  onBodyReady(): void;
  /** The body broke before that. */
  onBodyBroken(error: Error): void;
}

/**
 * The body of a client that may be slow: its beginning is read first and kept, then given at once, so that meanwhile only
 * the client's own connection waits for it. Where the buffers of the process are full, nothing more is kept.
 */
export class ReadAhead implements BodySource, BodySink {
  readonly length: number | undefined;
  private readonly source: BodySource;
  private readonly budget: BufferBudget;
  private readonly owner: ReadAheadOwner;
  private sink: BodySink | undefined = undefined;
  private kept: Uint8Array[] = [];
  private bufferedBytes = 0;
  private isReady = false;
  private isSinkFull = false;
  private isOver = false;
  private ending: { readonly trailers: HeaderList | undefined } | undefined = undefined;
  private error: Error | undefined = undefined;

  constructor(source: BodySource, budget: BufferBudget, owner: ReadAheadOwner) {
    this.length = source.length;
    this.source = source;
    this.budget = budget;
    this.owner = owner;
  }

  /** Begins to read. */
  start(): void {
    this.source.pipe(this);
  }

  /** What is at hand has to do. */
  stopWaiting(): void {
    if (this.isReady || this.isOver) return;
    this.isReady = true;
    this.owner.onBodyReady();
  }

  pipe(sink: BodySink): void {
    if (this.error !== undefined) return sink.abort(this.error);
    this.sink = sink;
    this.give(sink);
  }

  resume(): void {
    this.isSinkFull = false;
    if (this.sink !== undefined) this.give(this.sink);
  }

  cancel(error?: Error): void {
    if (this.isOver) return;
    this.finish();
    if (this.ending === undefined) this.source.cancel(error);
  }

  // What the client sends

  write(chunk: Uint8Array): boolean {
    if (this.isOver) return true;
    const { sink } = this;
    if (sink !== undefined && this.kept.length === 0) return sink.write(chunk);
    const hasRoom = this.keep(chunk);
    if (sink !== undefined) return false;
    this.owner.onBodyCame();
    if (!hasRoom || this.bufferedBytes >= AHEAD_BYTES) this.stopWaiting();
    // It may have been given away at once.
    return this.isReady ? this.kept.length === 0 && !this.isSinkFull : true;
  }

  end(trailers?: HeaderList): void {
    if (this.isOver) return;
    this.ending = { trailers };
    if (this.sink === undefined) this.stopWaiting();
    else if (this.kept.length === 0) this.endSink(this.sink);
  }

  abort(error: Error): void {
    if (this.isOver) return;
    const { sink } = this;
    this.error = error;
    this.finish();
    if (sink === undefined) this.owner.onBodyBroken(error);
    else sink.abort(error);
  }

  /** Answers whether there is room for more. */
  private keep(chunk: Uint8Array): boolean {
    const hasRoom = this.budget.take(chunk.length);
    // What is handed over now must be kept all the same.
    if (!hasRoom) this.budget.takeAnyway(chunk.length);
    this.kept.push(Uint8Array.from(chunk));
    this.bufferedBytes += chunk.length;
    return hasRoom;
  }

  private give(sink: BodySink): void {
    while (this.kept.length > 0) {
      const chunk = this.kept.shift() as Uint8Array;
      this.forget(chunk.length);
      const goesOn = sink.write(chunk);
      if (this.isOver) return;
      if (goesOn) continue;
      this.isSinkFull = true;
      return;
    }
    if (this.ending !== undefined) this.endSink(sink);
    else this.source.resume();
  }

  private endSink(sink: BodySink): void {
    this.isOver = true;
    sink.end(this.ending?.trailers);
  }

  private finish(): void {
    this.isOver = true;
    this.sink = undefined;
    this.kept = [];
    this.forget(this.bufferedBytes);
  }

  private forget(bytes: number): void {
    this.bufferedBytes -= bytes;
    this.budget.release(bytes);
  }
}
