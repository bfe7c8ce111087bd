import type { BodySink, BodySource } from '../../core/body.ts';
import type { HeaderList } from '../../core/header-list.ts';

/**
 * A body whose end waits until the response is stored, so that whoever has read all of it finds it stored. Where the length
 * is known, the last chunk says that it is the last, so that it waits as well.
 */
export class HeldEnd implements BodySource {
  readonly length: number | undefined;
  private readonly source: BodySource;
  private readonly stored: () => Promise<unknown>;
  private sentBytes = 0;
  private last: Uint8Array | undefined = undefined;
  private isCancelled = false;

  /** The chunks of `source` stay as they are until its end. */
  constructor(source: BodySource, stored: () => Promise<unknown>) {
    this.length = source.length;
    this.source = source;
    this.stored = stored;
  }

  pipe(sink: BodySink): void {
    this.source.pipe({
      write: (chunk) => {
        this.sentBytes += chunk.length;
        if (this.sentBytes !== this.length) return sink.write(chunk);
        this.last = chunk;
        return true;
      },
      end: (trailers) => void this.stored().then(() => this.finish(sink, trailers)),
      abort: (error) => sink.abort(error),
    });
  }

  resume(): void {
    this.source.resume();
  }

  cancel(): void {
    this.isCancelled = true;
    this.source.cancel();
  }

  private finish(sink: BodySink, trailers: HeaderList | undefined): void {
    if (this.isCancelled) return;
    if (this.last !== undefined) sink.write(this.last);
    sink.end(trailers);
  }
}
