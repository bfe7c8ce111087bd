import type { Exchange } from '../../core/exchange.ts';
import type { NameSet } from '../../core/identity/name-set.ts';

/** Keeps fields of these names from coming behind the request body, where some services take them for headers. */
export function dropTrailers(exchange: Exchange, names: Pick<NameSet, 'hasAt'>): void {
  const source = exchange.body;
  // Only what is chunked has trailers.
  if (source.length !== undefined) return;
  exchange.body = {
    length: undefined,
    pipe(sink) {
      source.pipe({
        write: (chunk) => sink.write(chunk),
        end(trailers) {
          trailers?.deleteAll(names);
          sink.end(trailers);
        },
        abort: (error) => sink.abort(error),
      });
    },
    resume: () => source.resume(),
    cancel: (error) => source.cancel(error),
  };
}
