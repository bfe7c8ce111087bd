import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { readBytes } from '../../core/disk/read-bytes.ts';
import { watchFiles } from '../../core/disk/watch-files.ts';

const SETTLE_MS = 150;
const RECHECK_MS = 10_000;

/**
 * Calls `onChange` when the content of `file` is no longer that of `knownKey` (see `contentKeyOf`), and again at each
 * change. Returns a function that stops it.
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
  const options = { clock, settleMs: SETTLE_MS, recheckMs: RECHECK_MS };
  const stop = watchFiles([path], options, compare);
  // What changed since the file was loaded has no event any more.
  void compare();
  return () => {
    isStopped = true;
    stop();
  };
}

/** Makes a key of what a file holds, `undefined` where it cannot be read. */
export async function contentKeyOf(path: string): Promise<string | undefined> {
  try {
    return createHash('sha256')
      .update(await readBytes(path))
      .digest('hex');
  } catch {
    return undefined;
  }
}
