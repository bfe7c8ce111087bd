/** The source of time, injected wherever time decides something. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. */
  now(): number;
  /** Milliseconds that never run backwards. */
  monotonic(): number;
  /** Calls `task` every `intervalMs` until the returned function is called. Keeps no process alive. */
  every(intervalMs: number, task: () => void): () => void;
  /** Calls `task` once after `delayMs` unless the returned function is called before. Keeps no process alive. */
  after(delayMs: number, task: () => void): () => void;
}

let armed = 0;

/** How many tasks of the machine's clock are still to run: one for each `after`, and one for each `every` until it is stopped. */
export function countArmedTimers(): number {
  return armed;
}

/**
 * The clock of the machine. A task runs only after what had arrived by then was read: a process that was held up would
 * else give up on peers whose bytes lie waiting.
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  every(intervalMs, task) {
    let due: NodeJS.Immediate | undefined;
    const timer = setInterval(() => {
      due = setImmediate(task).unref();
    }, intervalMs).unref();
    armed++;
    let isArmed = true;
    return () => {
      if (isArmed) armed--;
      isArmed = false;
      clearInterval(timer);
      clearImmediate(due);
    };
  },
  after(delayMs, task) {
    let due: NodeJS.Immediate | undefined;
    let isArmed = true;
    const disarm = (): void => {
      if (isArmed) armed--;
      isArmed = false;
    };
    armed++;
    const timer = setTimeout(() => {
      due = setImmediate(() => {
        disarm();
        task();
      }).unref();
    }, delayMs).unref();
    return () => {
      disarm();
      clearTimeout(timer);
      clearImmediate(due);
    };
  },
};
