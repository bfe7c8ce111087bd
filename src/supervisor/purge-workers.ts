import { addReaches, joinReaches } from '../cache/purge-reach.ts';
import type { Purge, PurgeReach } from '../core/stores/cache-store.ts';
import type { WorkerProcess } from './worker-process.ts';

/**
 * Purges stored responses in workers, each of which has a store of its own. One that ends meanwhile has none any more; of one
 * that does not respond before the timeout it is not known whether it still serves them, though it will purge as soon as it
 * turns.
 */
export async function purgeWorkers(workers: readonly WorkerProcess[], purge: Purge): Promise<PurgeReach> {
  const reaches = await Promise.all(workers.map((worker) => purgeWorker(worker, purge, false)));
  return addReaches(reaches);
}

/** The same, and in the gateways beside this one, which one of the workers tells. */
export async function purgeAll(workers: readonly WorkerProcess[], purge: Purge): Promise<PurgeReach> {
  // One that hangs tells nobody.
  const [first, ...others] = workers.toSorted((one, other) => other.lastPulseAt - one.lastPulseAt);
  if (first === undefined) return { reached: 0, unreached: [] };
  // For other gateways all workers are gateways, so both know of the same ones.
  const [reach, told] = await Promise.all([purgeWorkers(others, purge), purgeWorker(first, purge, true)]);
  return joinReaches({ ...reach, reached: reach.reached + Math.min(told.reached, 1) }, told);
}

async function purgeWorker(worker: WorkerProcess, purge: Purge, isSpread: boolean): Promise<PurgeReach> {
  try {
    return await worker.channel.call('purgeCache', purge, isSpread);
  } catch (error) {
    const unreached = worker.hasEnded ? [] : [(error as Error).message];
    return { reached: 0, unreached };
  }
}
