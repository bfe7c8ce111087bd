import type { BodySink, BodySource } from '../core/body.ts';
import type { HeaderList } from '../core/header-list.ts';

/** What one reader may lag behind before the giver is asked to wait, once the body is no longer kept whole. */
const WINDOW_BYTES = 64 * 1024;

export interface SharedBodyOptions {
  /** Bytes up to which the body is kept whole, for whoever comes later and for the store. */
  readonly maxBufferedBytes: number;
  /** Takes room for bytes that are kept, or rejects it; gives it back. */
  reserve(bytes: number): boolean;
  release(bytes: number): void;
  /** Called before `onOutcome` where the body is larger than `maxBufferedBytes`. */
  onTooLarge?(): void;
  /** Called once: with the whole body, or with `undefined` where there will be none to store. */
  onOutcome(body: Buffer | undefined): void;
}

/** How a body ended. */
interface Ending {
  readonly error: Error | undefined;
  readonly trailers: HeaderList | undefined;
}

const WHOLE: Ending = { error: undefined, trailers: undefined };

/**
 * A body that streams to many readers as it comes. While it is small enough it is kept whole: a reader may still begin,
 * and none of them holds up the others. Beyond that only what the slowest reader lacks is kept, and it goes at its speed.
 * Room that was taken for bytes is given back when they are gone.
 *
 * | state | chunk | too large | end | broken | last reader leaves |
 * | --- | --- | --- | --- | --- | --- |
 * | kept | to all, kept | passing | whole | broken | kept: it is for the store |
 * | passing | to all, until the slowest has it | passing | ended | broken | cancelled |
 */
export class SharedBody implements BodySink {
  readonly length: number | undefined;
  private readonly source: BodySource;
  private readonly options: SharedBodyOptions;
  private readonly readers = new Set<Reader>();
  private chunks: Buffer[] = [];
  /** How many chunks were dropped before the first of `chunks`. */
  private dropped = 0;
  private bytes = 0;
  private reserved = 0;
  private isKept = true;
  private isPaused = false;
  private outcome: Ending | undefined = undefined;

  constructor(source: BodySource, options: SharedBodyOptions) {
    this.source = source;
    this.length = source.length;
    this.options = options;
    if ((source.length ?? 0) > options.maxBufferedBytes) this.giveUp(true);
  }

  /** Whether another reader may begin. */
  get isOpen(): boolean {
    return this.isKept && this.outcome?.error === undefined;
  }

  /** How many read it. */
  get readerCount(): number {
    return this.readers.size;
  }

  /** Begins to read from the source. The first readers should be there. */
  start(): void {
    this.source.pipe(this);
  }

  /** Makes a body of its own from the beginning. Only while `isOpen`, or before `start`. */
  open(): BodySource {
    const reader = new Reader(this);
    this.readers.add(reader);
    return reader;
  }

  // As the sink of the source

  write(chunk: Uint8Array): boolean {
    if (this.outcome !== undefined) return true;
    // Not from the pool, of which a small piece would keep a large one alive.
    const copy = Buffer.allocUnsafeSlow(chunk.length);
    copy.set(chunk);
    this.chunks.push(copy);
    this.bytes += copy.length;
    if (this.isKept) this.keep(copy.length);
    for (const reader of this.readers) reader.pump();
    if (!this.isKept) {
      this.trim();
      if (this.readers.size === 0) return this.leave();
    }
    this.isPaused = !this.isKept && this.bytes > WINDOW_BYTES;
    return !this.isPaused;
  }

  end(trailers?: HeaderList): void {
    this.settle(trailers === undefined ? WHOLE : { error: undefined, trailers });
  }

  abort(error: Error): void {
    this.settle({ error, trailers: undefined });
  }

  // For readers

  chunkAt(i: number): Buffer | undefined {
    return this.chunks[i - this.dropped];
  }

  get ending(): Ending | undefined {
    return this.outcome;
  }

  onRead(): void {
    if (this.isKept) return;
    this.trim();
    if (!this.isPaused || this.outcome !== undefined || this.bytes > WINDOW_BYTES) return;
    this.isPaused = false;
    this.source.resume();
  }

  onLeave(reader: Reader): void {
    this.readers.delete(reader);
    if (this.isKept) return;
    this.onRead();
    if (this.outcome === undefined && this.readers.size === 0) this.leave();
  }

  /** Nobody is left whom it is for. */
  private leave(): true {
    this.outcome = WHOLE;
    this.trim();
    this.source.cancel();
    return true;
  }

  private keep(bytes: number): void {
    const { maxBufferedBytes, reserve } = this.options;
    if (this.bytes > maxBufferedBytes) this.giveUp(true);
    else if (reserve(bytes)) this.reserved += bytes;
    else this.giveUp(false);
  }

  private giveUp(isTooLarge: boolean): void {
    this.isKept = false;
    if (isTooLarge) this.options.onTooLarge?.();
    this.options.onOutcome(undefined);
  }

  private settle(ending: Ending): void {
    if (this.outcome !== undefined) return;
    this.outcome = ending;
    if (this.isKept) {
      const whole = ending.error === undefined ? this.join() : undefined;
      // From now on the store counts it.
      this.release(this.reserved);
      this.options.onOutcome(whole);
    }
    for (const reader of this.readers) reader.pump();
  }

  /** Makes one piece of all, of which the chunks are parts from now on, so that nothing is there twice. */
  private join(): Buffer {
    if (this.chunks.length === 1) return this.chunks[0] as Buffer;
    const whole = Buffer.allocUnsafeSlow(this.bytes);
    let at = 0;
    this.chunks = this.chunks.map((chunk) => {
      chunk.copy(whole, at);
      at += chunk.length;
      return whole.subarray(at - chunk.length, at);
    });
    return whole;
  }

  /** Drops what every reader has. */
  private trim(): void {
    let least = this.dropped + this.chunks.length;
    for (const reader of this.readers) least = Math.min(least, reader.position);
    while (this.dropped < least) {
      this.bytes -= this.chunks.shift()?.length ?? 0;
      this.dropped++;
    }
    if (this.reserved > this.bytes) this.release(this.reserved - this.bytes);
  }

  private release(bytes: number): void {
    this.reserved -= bytes;
    if (bytes > 0) this.options.release(bytes);
  }
}

/** One reader of a shared body. */
class Reader implements BodySource {
  /** The number of the chunk that is next. */
  position = 0;
  private readonly shared: SharedBody;
  private sink: BodySink | undefined = undefined;
  private isPaused = false;
  private isPumping = false;

  constructor(shared: SharedBody) {
    this.shared = shared;
  }

  get length(): number | undefined {
    return this.shared.length;
  }

  pipe(sink: BodySink): void {
    this.sink = sink;
    this.pump();
  }

  resume(): void {
    this.isPaused = false;
    this.pump();
  }

  cancel(): void {
    this.sink = undefined;
    this.shared.onLeave(this);
  }

  /** Gives the sink what is there. */
  pump(): void {
    if (this.isPumping) return;
    this.isPumping = true;
    this.give();
    this.isPumping = false;
  }

  private give(): void {
    while (this.sink !== undefined && !this.isPaused) {
      const chunk = this.shared.chunkAt(this.position);
      if (chunk === undefined) return this.finish();
      this.position++;
      this.isPaused = !this.sink.write(chunk);
      this.shared.onRead();
    }
  }

  private finish(): void {
    const { ending } = this.shared;
    const { sink } = this;
    if (ending === undefined || sink === undefined) return;
    this.sink = undefined;
    this.shared.onLeave(this);
    if (ending.error !== undefined) sink.abort(ending.error);
    else sink.end(ending.trailers);
  }
}
