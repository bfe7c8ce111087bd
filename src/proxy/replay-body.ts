import type { BodySink, BodySource } from '../core/body.ts';
import type { HeaderList } from '../core/header-list.ts';

/** The largest body that is kept for another attempt. */
export const REPLAY_BYTES = 64 * 1024;

/**
 * A request body that can be sent again: what has passed is kept until `settle`, unless it becomes too much. Until
 * then `cancel` only takes the sink away, since another one may follow.
 */
export class ReplayBody implements BodySource, BodySink {
  readonly length: number | undefined;
  private readonly source: BodySource;
  private sink: BodySink | undefined = undefined;
  private isKeeping = true;
  private kept: Uint8Array[] = [];
  private bufferedBytes = 0;
  /** How many of the kept chunks the present sink has got. */
  private given = 0;
  private isPiped = false;
  private outcome: { readonly trailers?: HeaderList | undefined; readonly error?: Error } | undefined =
    undefined;

  constructor(source: BodySource) {
    this.source = source;
    this.length = source.length;
  }

  get isReplayable(): boolean {
    return this.isKeeping;
  }

  get isBuffered(): boolean | undefined {
    return this.isPiped ? true : this.source.isBuffered;
  }

  pipe(sink: BodySink): void {
    this.sink = sink;
    this.given = 0;
    if (this.isPiped) return this.replay(sink);
    this.isPiped = true;
    this.source.pipe(this);
  }

  resume(): void {
    if (this.sink !== undefined) this.replay(this.sink);
  }

  cancel(error?: Error): void {
    this.sink = undefined;
    if (!this.isKeeping && this.outcome === undefined) this.source.cancel(error);
  }

  /** No other attempt will follow the one under way. */
  settle(): void {
    this.isKeeping = false;
  }

  /** No attempt is under way, and none will follow. */
  discard(): void {
    this.isKeeping = false;
    this.cancel();
  }

  // What the source gives

  write(chunk: Uint8Array): boolean {
    const { sink } = this;
    const isLive = sink !== undefined && this.given === this.kept.length;
    if (isLive && !this.isKeeping) return sink.write(chunk);
    this.kept.push(Uint8Array.from(chunk));
    this.bufferedBytes += chunk.length;
    if (!isLive) return false;
    this.given++;
    if (this.bufferedBytes > REPLAY_BYTES) this.isKeeping = false;
    return sink.write(chunk);
  }

  end(trailers?: HeaderList): void {
    this.outcome = { trailers };
    if (this.given === this.kept.length) this.sink?.end(trailers);
  }

  abort(error: Error): void {
    this.outcome = { error };
    if (this.given === this.kept.length) this.sink?.abort(error);
  }

  /** Gives `sink` what it has not got of what was kept, then lets the source go on. */
  private replay(sink: BodySink): void {
    while (this.given < this.kept.length) {
      if (!sink.write(this.kept[this.given++] as Uint8Array) || this.sink !== sink) return;
    }
    if (this.outcome === undefined) this.source.resume();
    else if (this.outcome.error !== undefined) sink.abort(this.outcome.error);
    else sink.end(this.outcome.trailers);
  }
}
