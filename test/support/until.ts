import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';

/** For as long as this every turn of the event loop is looked at, which is as long as most waits are. */
const WATCHED_MS = 20;
/** Then it is looked at this often: who asks all the time takes the processor from what is waited for. */
const PAUSE_MS = 5;

/** Waits for a condition, however long it takes: the limit of the test is the limit of this. */
export async function until(isMet: () => boolean | Promise<boolean>): Promise<void> {
  const startedAt = performance.now();
  while (!(await isMet())) {
    if (performance.now() - startedAt < WATCHED_MS) await nextTurn();
    else await wait(PAUSE_MS);
  }
}

/** Waits until a number, such as that of bytes on their way, stays as it is, and returns it. */
export async function settled(read: () => number): Promise<number> {
  let last = read();
  for (let calm = 0; calm < 10; ) {
    await wait(20);
    calm = read() === last ? calm + 1 : 0;
    last = read();
  }
  return last;
}
