const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** Keeps the process alive until `work` is done, which the timers of a `Clock` that it waits for do not. */
export async function stayAlive<Result>(work: Promise<Result>): Promise<Result> {
  const timer = setInterval(() => {}, LONGEST_DELAY_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
