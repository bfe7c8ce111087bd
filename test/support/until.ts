import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';

/** Waits for a condition, however long it takes: the limit of the test is the limit of this. */
export async function until(isMet: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isMet())) await nextTurn();
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
