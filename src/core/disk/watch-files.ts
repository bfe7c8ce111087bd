import { type FSWatcher, watch } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import type { Clock } from '../clock.ts';
import { settleChanges } from './settle-changes.ts';

export interface WatchFilesOptions {
  readonly clock: Pick<Clock, 'after' | 'every'>;
  /** For how long the files must be left alone: editors and volume swaps touch a file several times. */
  readonly settleMs: number;
  /** How often it looks anyway, in ms: network file systems tell nothing of changes. */
  readonly recheckMs: number;
  /** Hears of a folder that cannot be watched, such as for want of inotify watches; looking goes on every `recheckMs`. */
  onUnwatched?(folder: string, error: unknown): void;
  /** Asks a disk about a folder, for tests of one that hangs. Default: `stat`. */
  readonly statFolder?: (folder: string) => Promise<unknown>;
}

/**
 * Calls `look` when what a path leads to may have changed, for each of `files`. Whoever looks compares content.
 *
 * It watches the folders and not the files: a file is replaced by a rename over it, and Kubernetes swaps a ConfigMap by a
 * link beside the file. It watches the folders above as well, as written and as links resolve, since a whole folder may
 * be replaced (`mv new conf`), or be a link that is switched to the next release; a watch on the folder alone would stay
 * with the one that was taken away. Returns the function that ends the watch.
 */
export function watchFiles(
  files: readonly string[],
  options: WatchFilesOptions,
  look: () => unknown,
): () => void {
  const paths = files.map((file) => resolve(file));
  let resolved: readonly string[] = [];
  let isStopped = false;
  const looking = oneAtATime(look);
  const settler = settleChanges(paths, options.settleMs, options.clock, () => lookAgain());
  const watches = watchFolders(options, settler.hear);
  const openAll = (): void => watches.open(findWays([...paths, ...resolved]));
  const followLinks = async (): Promise<void> => {
    // A file that is not there yet has a way as written alone.
    const found = await Promise.all(paths.map((path) => realpath(path).catch(() => path)));
    if (isStopped || found.join('\0') === resolved.join('\0')) return;
    resolved = found;
    if (found.join('\0') === paths.join('\0')) return;
    openAll();
    // What changed there before has no event any more.
    looking.run();
  };
  const responding = whenDisksRespond(options.statFolder ?? stat);
  // To begin a watch is a call that waits for the disk: it must be one that responds.
  const lookAgain = (): void =>
    responding([...findWays([...paths, ...resolved]).keys()], () => {
      if (isStopped) return;
      openAll();
      looking.run();
      void followLinks();
    });
  openAll();
  void followLinks();
  const cancelRecheck = options.clock.every(options.recheckMs, lookAgain);
  return () => {
    isStopped = true;
    looking.stop();
    settler.cancel();
    cancelRecheck();
    watches.close();
  };
}

/** Watches folders for changes of the names that matter. Those that cannot be watched are told of once. */
function watchFolders(
  options: Pick<WatchFilesOptions, 'onUnwatched'>,
  hear: (event: string, name: string | null) => void,
) {
  const watchers = new Map<string, FSWatcher>();
  const unwatched = new Set<string>();
  const close = (folder: string): void => {
    watchers.get(folder)?.close();
    watchers.delete(folder);
  };
  const closeAll = (): void => {
    for (const folder of watchers.keys()) close(folder);
  };
  const watchOne = (folder: string, names: ReadonlySet<string> | 'all'): void => {
    const fail = (error: unknown): void => {
      close(folder);
      if (unwatched.has(folder)) return;
      unwatched.add(folder);
      options.onUnwatched?.(folder, error);
    };
    try {
      const watcher = watch(folder, { persistent: false }, (event, name) => {
        if (names === 'all' || name === null || names.has(name)) hear(event, name);
      });
      watchers.set(folder, watcher.on('error', fail));
    } catch (error) {
      fail(error);
    }
  };
  const open = (ways: ReadonlyMap<string, ReadonlySet<string> | 'all'>): void => {
    closeAll();
    for (const [folder, names] of ways) watchOne(folder, names);
  };
  return { open, close: closeAll };
}

/** One for the whole process, so that a disk that hangs takes one thread, however many files of it are watched. */
let asking: Promise<void> = Promise.resolve();

/** Calls `then` once all folders were asked about; nothing more is asked while that takes. */
function whenDisksRespond(statFolder: (folder: string) => Promise<unknown>) {
  let isAsking = false;
  return (folders: readonly string[], then: () => void): void => {
    if (isAsking) return;
    isAsking = true;
    asking = asking.then(async () => {
      // One that is not there is an answer too.
      for (const folder of folders) await statFolder(folder).catch(() => undefined);
      isAsking = false;
      then();
    });
  };
}

/** Runs one look at a time: behind a disk that hangs, each would take one of the few threads that read files. */
function oneAtATime(look: () => unknown): { run(): void; stop(): void } {
  let isLooking = false;
  let isDueAgain = false;
  let isStopped = false;
  const run = async (): Promise<void> => {
    isDueAgain = isLooking;
    if (isLooking) return;
    isLooking = true;
    // What it rejects with is its own affair, and the next look is due all the same.
    await Promise.resolve(look()).finally(() => {
      isLooking = false;
    });
    if (isDueAgain && !isStopped) await run();
  };
  return {
    run: () => void run(),
    stop: () => {
      isStopped = true;
    },
  };
}

/** Finds the folders on the way to `paths`, and in each the names that matter: all where the file itself lies. */
function findWays(paths: readonly string[]): Map<string, Set<string> | 'all'> {
  const ways = new Map<string, Set<string> | 'all'>();
  for (const path of paths) {
    ways.set(dirname(path), 'all');
    for (let below = dirname(path); below !== dirname(below); below = dirname(below)) {
      const names = ways.get(dirname(below)) ?? new Set();
      if (names !== 'all') ways.set(dirname(below), names.add(basename(below)));
    }
  }
  return ways;
}
