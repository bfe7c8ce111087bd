import { errorText } from './error-text.ts';
import { GatewayError } from './errors.ts';
import type { HeaderList } from './header-list.ts';

/** Takes a body piece by piece. */
export interface BodySink {
  /**
   * Takes a chunk, which is lent: who keeps its bytes copies them. Returns `false` when the source should pause until
   * its `resume` is called, and leave the chunk's bytes as they are until then.
   */
  write(chunk: Uint8Array): boolean;
  /** Ends the body as whole, with trailer fields if there are any. */
  end(trailers?: HeaderList): void;
  /** Ends the body as broken. What was written must not be taken as whole. */
  abort(error: Error): void;
}

/** Gives a body, once, at the speed of its sink. */
export interface BodySource {
  /** Length in bytes where it is known beforehand, 0 for none, `undefined` where only the end will tell. */
  readonly length: number | undefined;
  /** Whether `pipe` may be called again, also after `cancel`, for another attempt. */
  readonly isReplayable?: boolean;
  /** Makes a source of the same bytes that has nothing to do with this one, where they are at hand. */
  readonly fork?: (() => BodySource) | undefined;
  /** `false` where its beginning has still to come from a client, who may be slow. */
  readonly isBuffered?: boolean | undefined;
  /** All of it, where it is in memory and never changes. Of no use to code of others. @internal */
  readonly bytes?: Uint8Array | undefined;
  /** Starts the flow into `sink`. Call once. `write` may be called before this returns. */
  pipe(sink: BodySink): void;
  /** Goes on after a `write` that returned `false`. */
  resume(): void;
  /** Drops what is left and frees what stands behind it; the sink hears nothing more. */
  cancel(error?: Error): void;
}

/** The body of a message that has none. */
export const EMPTY_BODY: BodySource = {
  length: 0,
  isReplayable: true,
  fork: () => EMPTY_BODY,
  pipe: (sink) => sink.end(),
  resume() {},
  cancel() {},
};

/** Makes a body of bytes or of a string (as UTF-8). */
export function bodyFrom(content: Uint8Array | string): BodySource {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return bytes.length === 0 ? EMPTY_BODY : new BytesBody(bytes);
}

class BytesBody implements BodySource {
  readonly length: number;
  readonly isReplayable = true;
  readonly bytes: Uint8Array;
  private rest: BodySink | undefined = undefined;

  constructor(bytes: Uint8Array) {
    this.length = bytes.length;
    this.bytes = bytes;
  }

  fork(): BodySource {
    return new BytesBody(this.bytes);
  }

  pipe(sink: BodySink): void {
    if (sink.write(this.bytes)) sink.end();
    else this.rest = sink;
  }

  resume(): void {
    const sink = this.rest;
    this.rest = undefined;
    sink?.end();
  }

  cancel(): void {
    this.rest = undefined;
  }
}

/** Makes a body of an async iterable of bytes, `length` in bytes where it is known. */
export function bodyFromIterable(chunks: AsyncIterable<Uint8Array>, length?: number): BodySource {
  let wake: (() => void) | undefined;
  let isCancelled = false;
  const iterator = chunks[Symbol.asyncIterator]();
  const run = async (sink: BodySink): Promise<void> => {
    try {
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        if (isCancelled) return;
        const goesOn = next.value.length === 0 || sink.write(next.value);
        if (!goesOn) await new Promise<void>((resolve) => (wake = resolve));
        if (isCancelled) return;
      }
      sink.end();
    } catch (error) {
      if (!isCancelled) sink.abort(error instanceof Error ? error : new Error(errorText(error)));
    }
  };
  return {
    length,
    pipe: (sink) => void run(sink),
    resume: () => wake?.(),
    cancel() {
      isCancelled = true;
      wake?.();
      iterator.return?.(undefined)?.then(undefined, () => {});
    },
  };
}

/**
 * Reads a whole body into one buffer.
 * Rejects with `GW_BODY_TOO_LARGE` as soon as it passes `maxBytes`, and with the source's error when it breaks.
 */
export function readBody(source: BodySource, maxBytes: number): Promise<Buffer> {
  if (source.length !== undefined && source.length > maxBytes) {
    source.cancel();
    return Promise.reject(new GatewayError('GW_BODY_TOO_LARGE'));
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    source.pipe({
      write(chunk) {
        size += chunk.length;
        if (size <= maxBytes) {
          chunks.push(Buffer.from(chunk));
          return true;
        }
        source.cancel();
        reject(new GatewayError('GW_BODY_TOO_LARGE'));
        return false;
      },
      end: () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)),
      abort: reject,
    });
  });
}

/** Reads a body as an async iterable of copied chunks, with backpressure. Leaving the loop cancels the body. */
export async function* iterateBody(source: BodySource): AsyncGenerator<Buffer> {
  const queue: Buffer[] = [];
  let ended = false;
  let broken: Error | undefined;
  let wake: () => void = () => {};
  source.pipe({
    write(chunk) {
      queue.push(Buffer.from(chunk));
      wake();
      return false;
    },
    end() {
      ended = true;
      wake();
    },
    abort(error) {
      broken = error;
      wake();
    },
  });
  try {
    while (true) {
      const chunk = queue.shift();
      if (chunk) {
        yield chunk;
        if (queue.length === 0) source.resume();
      } else if (broken) throw broken;
      else if (ended) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    if (!ended && !broken) source.cancel();
  }
}
