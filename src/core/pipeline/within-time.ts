import type { Clock } from '../clock.ts';

/** Waits for `pending`, or gives what `onTimeout` makes when it is not settled after `ms`. What comes of it later is nobody's. */
export function withinTime<T>(
  pending: PromiseLike<T>,
  ms: number,
  clock: Clock,
  onTimeout: () => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => resolve(onTimeout()));
    // Made a promise first: the `then` of code of users may throw, and the timer would run on.
    Promise.resolve(pending).then(
      (outcome) => {
        cancel();
        resolve(outcome);
      },
      (error: unknown) => {
        cancel();
        reject(error);
      },
    );
  });
}
