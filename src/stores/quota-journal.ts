import { type Clock, systemClock } from '../core/clock.ts';
import { FileThread, moduleBeside } from '../core/disk/file-thread.ts';
import type { ChangedCounter, CounterPosition, LastingCounter, WrittenCounter } from './lasting-counter.ts';
import type { QuotaFile } from './quota-file.ts';

/** Where the counters of quotas are written down, for when the process ends. */
export interface QuotaJournal {
  /** Gives what is still of use. */
  load(now: number): Promise<readonly LastingCounter[]>;
  /**
   * Writes all of these or rejects, and forgets some of what is of no use any more. What is written outlives `kill -9`.
   * Gives the counters as they stand now, in the same order. Takes as long as the disk does.
   */
  save(counters: readonly ChangedCounter[], now: number): Promise<readonly WrittenCounter[]>;
  close(): Promise<void>;
}

/** A new file is laid out by one gateway at a time. */
const OPEN_TIMEOUT_MS = 10_000;

/** Opens the journal in `folder`, which is made if need be, behind a thread of its own. Rejects where that cannot be. */
export async function openQuotaJournal(folder: string, clock: Clock = systemClock): Promise<QuotaJournal> {
  const module = moduleBeside('quota-thread', import.meta.url);
  const thread = new FileThread<QuotaFile>({ module, data: folder, clock });
  const journal = journalIn(thread);
  try {
    // The first question opens the file.
    await thread.call('loadAfter', [{ limit: '', key: '' }], OPEN_TIMEOUT_MS);
    return journal;
  } catch (error) {
    await journal.close();
    throw error;
  }
}

function journalIn(thread: FileThread<QuotaFile>): QuotaJournal {
  return {
    async load(now) {
      const counters: LastingCounter[] = [];
      // Some at a time, since taking over a million at once would hold up this thread.
      for (let after: CounterPosition | undefined = { limit: '', key: '' }; after !== undefined; ) {
        const some: LastingCounter[] = await thread.call('loadAfter', [after]);
        for (const counter of some) if (counter.endsAt > now) counters.push(counter);
        after = some.at(-1);
      }
      return counters;
    },
    // What was added must not be added once more, so it is not given up.
    save: (counters, now) => thread.call('save', [counters, now], Number.POSITIVE_INFINITY),
    async close() {
      await thread.call('close', []).catch(() => {});
      await thread.close();
    },
  };
}
