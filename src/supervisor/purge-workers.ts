import { addReaches } from '../cache/purge-reach.ts';
import type { Purge, PurgeReach } from '../core/stores/cache-store.ts';
import type { WorkerProcess } from './worker-process.ts';

/**
 * Purges stored responses in workers, each of which has a store of its own. One that ends meanwhile has none any more; of one
 * that does not answer in time it is not known whether it still serves them, though it will purge as soon as it turns.
 */
export async function purgeWorkers(workers: readonly WorkerProcess[], purge: Purge): Promise<PurgeReach> {
  const reaches = await Promise.all(workers.map((worker) => purgeWorker(worker, purge)));
  return addReaches(reaches);
}

async function purgeWorker(worker: WorkerProcess, purge: Purge): Promise<PurgeReach> {
  try {
    return await worker.channel.call('purgeCache', purge);
  } catch (error) {
    const unreached = worker.hasEnded ? [] : [(error as Error).message];
    return { reached: 0, unreached };
  }
}
