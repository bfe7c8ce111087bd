import { parentPort, workerData } from 'node:worker_threads';

/** What a thread is asked. */
export interface ThreadCall {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** What it answers. Of an error only what tells what is wrong can be sent. */
export type ThreadResult =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly fault: { name: string; message: string; code?: string } };

type Methods = Readonly<Record<string, (...args: never[]) => unknown>>;

/**
 * Answers what a `FileThread` asks, in this thread. `open` gives the methods, from the data that the thread was started
 * with; where it rejects, so do the calls, and the next one tries again.
 */
export function serveThread<Data>(open: (data: Data) => Promise<object>): void {
  let opening: Promise<object> | undefined;
  const openOnce = (): Promise<object> => {
    opening ??= open(workerData as Data).catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
  parentPort?.on('message', async ({ id, method, args }: ThreadCall) => {
    try {
      const methods = (await openOnce()) as Methods;
      const value = await methods[method]?.(...(args as never[]));
      parentPort?.postMessage({ id, value } satisfies ThreadResult);
    } catch (error) {
      parentPort?.postMessage({ id, fault: faultOf(error) } satisfies ThreadResult);
    }
  });
}

function faultOf(error: unknown): { name: string; message: string; code?: string } {
  const { name = 'Error', message = String(error), code } = error as NodeJS.ErrnoException;
  return { name, message, ...(typeof code === 'string' && { code }) };
}
