import type { BodySink, BodySource } from '../body.ts';
import { asGatewayError, GatewayError } from '../errors.ts';
import { asHeaderList } from '../header-list.ts';

/**
 * Takes a body that user code made. What it throws, or gives that is no bytes, breaks the body there, so that what was
 * written is not taken as whole: it is called from the sockets of others. `lent` is what it may be made of, and breaks
 * it too. Throws `TypeError` for what is not a body.
 */
export function takeBody(source: unknown, lent?: UnownedBody): BodySource {
  const { pipe, resume, cancel, length } = (source ?? {}) as Partial<BodySource>;
  if (typeof pipe !== 'function' || typeof resume !== 'function' || typeof cancel !== 'function')
    throw new TypeError('a body needs pipe, resume and cancel — bodyFrom and bodyFromIterable make one');
  if (length !== undefined && !(Number.isSafeInteger(length) && length >= 0))
    throw new TypeError('the length of a body is not a number of bytes');
  return new ForeignBody(source as BodySource, length, lent);
}

class ForeignBody implements BodySource {
  readonly length: number | undefined;
  readonly isReplayable: boolean;
  private readonly source: BodySource;
  private readonly lent: UnownedBody | undefined;
  private flow: ForeignFlow | undefined = undefined;

  constructor(source: BodySource, length: number | undefined, lent: UnownedBody | undefined) {
    this.source = source;
    this.length = length;
    this.lent = lent;
    this.isReplayable = source.isReplayable === true;
  }

  pipe(sink: BodySink): void {
    const flow = new ForeignFlow(this.source, sink);
    this.flow = flow;
    if (this.lent !== undefined) this.lent.onBroken = (error) => flow.break(error);
    flow.attempt(() => this.source.pipe(flow));
  }

  resume(): void {
    this.flow?.resume();
  }

  cancel(error?: Error): void {
    const flow = this.flow ?? new ForeignFlow(this.source, NOBODY);
    flow.cancel(error);
  }
}

/** One flow of a body that user code made into a sink of ours. */
class ForeignFlow implements BodySink {
  private readonly source: BodySource;
  private readonly sink: BodySink;
  private isOver = false;

  constructor(source: BodySource, sink: BodySink) {
    this.source = source;
    this.sink = sink;
  }

  resume(): void {
    if (!this.isOver) this.attempt(() => this.source.resume());
  }

  cancel(error?: Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.attempt(() => this.source.cancel(error));
  }

  write(chunk: unknown): boolean {
    if (this.isOver) return false;
    if (chunk instanceof Uint8Array) return this.sink.write(chunk);
    this.break(new TypeError('a chunk of a body is not a Uint8Array'));
    return false;
  }

  end(given?: unknown): void {
    if (this.isOver) return;
    const trailers = asHeaderList(given);
    if (given !== undefined && trailers === undefined)
      return this.break(new TypeError('trailers are not a HeaderList'));
    this.isOver = true;
    this.sink.end(trailers);
  }

  abort(error: unknown): void {
    if (this.isOver) return;
    this.isOver = true;
    this.sink.abort(errorOf(error));
  }

  /** A function may be asynchronous, though none should be. */
  attempt(call: () => unknown): void {
    try {
      const made = call();
      if (made instanceof Promise) made.catch((error: unknown) => this.break(error));
    } catch (error) {
      this.break(error);
    }
  }

  /** Nobody takes the rest of it, and its sink hears why. */
  break(error: unknown): void {
    if (this.isOver) return;
    this.abort(error);
    this.attempt(() => this.source.cancel(errorOf(error)));
  }
}

const NOBODY: BodySink = { write: () => false, end() {}, abort() {} };

/** A body of ours that user code was lent. Its sink is called from a socket: one that throws ends the flow, and no more. */
export class UnownedBody implements BodySource {
  readonly length: number | undefined;
  readonly isReplayable: boolean;
  readonly fork: BodySource['fork'];
  /** Hears that user code failed to take the body. */
  onBroken: ((error: unknown) => void) | undefined = undefined;
  private readonly source: BodySource;

  constructor(source: BodySource) {
    this.source = source;
    this.length = source.length;
    this.isReplayable = source.isReplayable === true;
    const { fork } = source;
    this.fork = fork && (() => fork.call(source));
  }

  pipe(sink: BodySink): void {
    let isOver = false;
    const attempt = (call: () => unknown): boolean => {
      if (isOver) return false;
      try {
        return call() !== false;
      } catch (error) {
        isOver = true;
        this.source.cancel(errorOf(error));
        this.onBroken?.(error);
        return false;
      }
    };
    this.source.pipe({
      write: (chunk) => attempt(() => sink.write(chunk)),
      end: (trailers) => void attempt(() => sink.end(trailers)),
      abort: (error) => void attempt(() => sink.abort(error)),
    });
  }

  resume(): void {
    this.source.resume();
  }

  cancel(error?: Error): void {
    this.source.cancel(error);
  }
}

/** A failure of the catalogue, so that nobody takes it for the client's. */
function errorOf(thrown: unknown): GatewayError {
  return asGatewayError(thrown) ?? new GatewayError('GW_POLICY_FAILED', { cause: thrown });
}
