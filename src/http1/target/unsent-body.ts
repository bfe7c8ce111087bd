import type { BodySink, BodySource } from '../../core/body.ts';
import type { HeaderList } from '../../core/header-list.ts';
import { latin1 } from '../head-writer.ts';

/** How a body ended while nobody took it. */
export type BodyOutcome =
  | { readonly kind: 'whole'; readonly trailers: HeaderList | undefined }
  | { readonly kind: 'broken'; readonly error: Error };

/**
 * The body of a request that was on its way to a connection which closed before the system took a byte of it: what had been
 * read of it, then what `source` still gives, which writes to this as it wrote to that connection.
 */
export class UnsentBody implements BodySource, BodySink {
  readonly length: number | undefined;
  private readonly source: BodySource;
  /** What was read, as latin1. */
  private front: string;
  private outcome: BodyOutcome | undefined;
  private sink: BodySink | undefined = undefined;

  constructor(source: BodySource, front: string, outcome: BodyOutcome | undefined) {
    this.length = source.length;
    this.source = source;
    this.front = front;
    this.outcome = outcome;
  }

  pipe(sink: BodySink): void {
    this.sink = sink;
    this.resume();
  }

  resume(): void {
    const { sink, front } = this;
    if (sink === undefined) return;
    this.front = '';
    if (front !== '' && !sink.write(Buffer.from(front, 'latin1'))) return;
    if (this.outcome === undefined) this.source.resume();
    else finish(sink, this.outcome);
  }

  cancel(error?: Error): void {
    this.sink = undefined;
    this.front = '';
    if (this.outcome === undefined) this.source.cancel(error);
  }

  // What the source still gives

  write(chunk: Uint8Array): boolean {
    if (this.sink !== undefined && this.front === '') return this.sink.write(chunk);
    this.front += latin1(chunk);
    return false;
  }

  end(trailers?: HeaderList): void {
    this.settle({ kind: 'whole', trailers });
  }

  abort(error: Error): void {
    this.settle({ kind: 'broken', error });
  }

  private settle(outcome: BodyOutcome): void {
    this.outcome = outcome;
    if (this.sink !== undefined && this.front === '') finish(this.sink, outcome);
  }
}

function finish(sink: BodySink, outcome: BodyOutcome): void {
  if (outcome.kind === 'broken') sink.abort(outcome.error);
  else sink.end(outcome.trailers);
}
