import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Clock } from '../core/clock.ts';

/** Editors and volume swaps touch a file several times; what follows within this time is one change. */
const SETTLE_MS = 150;

/**
 * Calls `onChange` when the content of `file` changed. Watches the folder and compares content: Kubernetes swaps a
 * ConfigMap by a link beside the file, which the file itself never hears of. Returns a function that stops it.
 */
export function watchConfigFile(file: string, clock: Clock, onChange: () => void): () => void {
  const path = resolve(file);
  let known = '';
  let cancelSettling: () => void = () => {};
  let isStopped = false;
  const compare = async (): Promise<void> => {
    const hash = await contentHash(path);
    if (isStopped || hash === undefined || hash === known) return;
    known = hash;
    onChange();
  };
  void contentHash(path).then((hash) => {
    if (known === '') known = hash ?? '';
  });
  const watcher: FSWatcher = watch(dirname(path), () => {
    cancelSettling();
    cancelSettling = clock.after(SETTLE_MS, () => void compare());
  });
  watcher.on('error', () => watcher.close());
  watcher.unref();
  return () => {
    isStopped = true;
    cancelSettling();
    watcher.close();
  };
}

async function contentHash(path: string): Promise<string | undefined> {
  try {
    return createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  } catch {
    return undefined;
  }
}
