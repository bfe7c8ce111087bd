import type { BodySink, BodySource } from './body.ts';
import type { HeaderList } from './header-list.ts';

/**
 * A body between who gives it and who will take it: a sink on one side, a source on the other. Until somebody pipes it,
 * and whenever its sink pauses, it keeps a copy of what comes and asks the giver to wait.
 */
export class BufferedBody implements BodySource, BodySink {
  readonly length: number | undefined;
  /** Set by who gives the body: called when it may go on. */
  onDrain: (() => void) | undefined = undefined;
  /** Called once when all that was kept is given and more will come: the two may go on without this body between them. */
  onEmpty: (() => void) | undefined = undefined;
  private readonly onCancel: () => void;
  private readonly allowedBytes: number;
  private sink: BodySink | undefined = undefined;
  private kept: Buffer[] = [];
  private bufferedBytes = 0;
  private isPaused = false;
  private isDropped = false;
  private outcome: { readonly trailers?: HeaderList | undefined; readonly error?: Error } | undefined =
    undefined;

  /**
   * `onCancel` is called when nobody takes the rest. As many as `allowedBytes` are kept before the giver is asked to
   * wait, so that a small body comes whole though nobody takes it yet.
   */
  constructor(length: number | undefined, onCancel: () => void, allowedBytes = 0) {
    this.length = length;
    this.onCancel = onCancel;
    this.allowedBytes = allowedBytes;
  }

  // As the sink of who gives it

  write(chunk: Uint8Array): boolean {
    if (this.isDropped) return true;
    if (this.sink !== undefined && !this.isPaused && this.kept.length === 0) {
      this.isPaused = !this.sink.write(chunk);
      return !this.isPaused;
    }
    this.kept.push(Buffer.from(chunk));
    this.bufferedBytes += chunk.length;
    return this.bufferedBytes < this.allowedBytes;
  }

  end(trailers?: HeaderList): void {
    this.settle({ trailers });
  }

  abort(error: Error): void {
    this.settle({ error });
  }

  flush(): void {}

  // As the source of who takes it

  pipe(sink: BodySink): void {
    this.sink = sink;
    this.release(sink);
  }

  resume(): void {
    this.isPaused = false;
    if (this.sink !== undefined) this.release(this.sink);
  }

  cancel(): void {
    if (this.isDropped) return;
    this.drop();
    this.onCancel();
  }

  private settle(outcome: NonNullable<typeof this.outcome>): void {
    if (this.isDropped || this.outcome !== undefined) return;
    this.outcome = outcome;
    if (this.sink !== undefined && this.kept.length === 0) this.finish(this.sink);
  }

  /** Gives `sink` what was kept, then lets the giver go on. */
  private release(sink: BodySink): void {
    while (this.kept.length > 0) {
      const chunk = this.kept.shift() as Buffer;
      this.bufferedBytes -= chunk.length;
      this.isPaused = !sink.write(chunk);
      if (this.isDropped) return;
      if (this.isPaused && (this.kept.length > 0 || this.outcome === undefined)) return;
    }
    if (this.outcome !== undefined) return this.finish(sink);
    const { onEmpty } = this;
    this.onEmpty = undefined;
    onEmpty?.();
    this.onDrain?.();
  }

  private finish(sink: BodySink): void {
    if (this.isDropped) return;
    this.drop();
    if (this.outcome?.error !== undefined) sink.abort(this.outcome.error);
    else sink.end(this.outcome?.trailers);
  }

  private drop(): void {
    this.isDropped = true;
    this.sink = undefined;
    this.kept.length = 0;
    this.bufferedBytes = 0;
  }
}
