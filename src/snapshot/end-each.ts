import { isPromise } from '../core/is-promise.ts';
import { LongWork } from '../router/long-work.ts';

/** Ends in slices what may be many thousands of things; one that fails does not keep the others. */
export async function endEach<T>(
  things: readonly T[],
  end: (thing: T) => void | Promise<void>,
): Promise<void> {
  const work = new LongWork();
  for (const thing of things) {
    try {
      const ending = end(thing);
      if (isPromise(ending)) await ending;
    } catch {
      // A policy that cannot close must not keep connections and series of the others alive.
    }
    if (work.isDue) await work.rest();
  }
}
