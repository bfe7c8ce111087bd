import type { BodySink, BodySource } from '../../core/body.ts';

/** A body of which a copy is kept while it passes, up to a size. */
export class CopiedBody implements BodySource {
  readonly length: number | undefined;
  private readonly source: BodySource;
  private readonly maxBytes: number;
  private chunks: Uint8Array[] = [];
  private size = 0;
  private isWhole = false;

  constructor(source: BodySource, maxBytes: number) {
    this.source = source;
    this.length = source.length;
    this.maxBytes = maxBytes;
    if (source.length !== undefined && source.length > maxBytes) this.size = source.length;
  }

  /** The copy, if the whole body has passed and is not too large. */
  get bytes(): Uint8Array | undefined {
    return this.isWhole && this.size <= this.maxBytes ? Buffer.concat(this.chunks) : undefined;
  }

  pipe(sink: BodySink): void {
    this.source.pipe({
      write: (chunk) => {
        this.keep(chunk);
        return sink.write(chunk);
      },
      end: (trailers) => {
        this.isWhole = true;
        sink.end(trailers);
      },
      abort: (error) => sink.abort(error),
    });
  }

  resume(): void {
    this.source.resume();
  }

  cancel(error?: Error): void {
    this.source.cancel(error);
  }

  private keep(chunk: Uint8Array): void {
    if (this.size > this.maxBytes) return;
    this.size += chunk.length;
    if (this.size <= this.maxBytes) this.chunks.push(Uint8Array.from(chunk));
    else this.chunks = [];
  }
}
