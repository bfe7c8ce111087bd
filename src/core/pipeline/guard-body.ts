import type { BodySource } from '../body.ts';

/**
 * Puts a guard around a body: `check` is told the size of each chunk before it passes, and the error it returns
 * breaks the body there, so that what was written is not taken as whole.
 */
export function guardBody(source: BodySource, check: (bytes: number) => Error | undefined): BodySource {
  let isBroken = false;
  return {
    length: source.length,
    pipe(sink) {
      source.pipe({
        write(chunk) {
          if (isBroken) return false;
          const error = check(chunk.length);
          if (error === undefined) return sink.write(chunk);
          isBroken = true;
          source.cancel(error);
          sink.abort(error);
          return false;
        },
        end(trailers) {
          if (!isBroken) sink.end(trailers);
        },
        abort(error) {
          if (!isBroken) sink.abort(error);
        },
      });
    },
    resume() {
      if (!isBroken) source.resume();
    },
    cancel(error) {
      if (!isBroken) source.cancel(error);
    },
  };
}
