import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { settleChanges } from '../core/settle-changes.ts';

/** Editors and volume swaps touch a file several times; what follows within this time is one change. */
const SETTLE_MS = 150;

/**
 * Calls `onChange` when the content of `file` is no longer that of `knownKey` (see `contentKeyOf`), and again at each
 * change. Watches the folder and compares content: Kubernetes swaps a ConfigMap by a link beside the file, which the
 * file itself never hears of. Returns a function that stops it.
 */
export function watchConfigFile(
  file: string,
  knownKey: string | undefined,
  clock: Clock,
  onChange: () => void,
): () => void {
  const path = resolve(file);
  let known = knownKey;
  let isStopped = false;
  const compare = async (): Promise<void> => {
    const key = await contentKeyOf(path);
    if (isStopped || key === undefined || key === known) return;
    known = key;
    onChange();
  };
  const settler = settleChanges([path], SETTLE_MS, clock, () => void compare());
  const watcher: FSWatcher = watch(dirname(path), settler.hear);
  watcher.on('error', () => watcher.close());
  watcher.unref();
  // What changed since the file was loaded has no event any more.
  void compare();
  return () => {
    isStopped = true;
    settler.cancel();
    watcher.close();
  };
}

/** Makes a key of what a file holds, `undefined` where it cannot be read. */
export async function contentKeyOf(path: string): Promise<string | undefined> {
  try {
    return createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  } catch {
    return undefined;
  }
}
