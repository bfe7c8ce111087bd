import type { BodySource } from '../core/body.ts';

/** Lets a body be looked at as it passes. `onEnd` is called when it is whole. */
export function tapBody(
  source: BodySource,
  look: (chunk: Uint8Array) => void,
  onEnd: () => void,
): BodySource {
  return {
    length: source.length,
    get isBuffered() {
      return source.isBuffered;
    },
    pipe(sink) {
      source.pipe({
        write(chunk) {
          look(chunk);
          return sink.write(chunk);
        },
        end(trailers) {
          onEnd();
          sink.end(trailers);
        },
        abort: (error) => sink.abort(error),
      });
    },
    resume: () => source.resume(),
    cancel: (error) => source.cancel(error),
  };
}
