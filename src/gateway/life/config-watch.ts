import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { readBytes } from '../../core/disk/read-bytes.ts';
import { watchFiles } from '../../core/disk/watch-files.ts';

const SETTLE_MS = 150;
const RECHECK_MS = 10_000;

/** A file, and what stands for its content as it was read (see `contentKeyOf`). */
export interface KnownFile {
  readonly path: string;
  /** `undefined` where it could not be read. */
  readonly contentKey: string | undefined;
}

/** Calls `onChange` when a file that a configuration is made of no longer holds what it held, and again at each change. */
export class ConfigWatch {
  private readonly clock: Clock;
  private readonly onChange: () => void;
  private readonly known = new Map<string, string | undefined>();
  private stopWatching: () => void = () => {};
  private isStopped = false;

  constructor(clock: Clock, onChange: () => void) {
    this.clock = clock;
    this.onChange = onChange;
  }

  /** Watches these files, and none beside them. */
  watch(files: readonly KnownFile[]): void {
    if (this.isStopped) return;
    this.stopWatching();
    const former = new Map(this.known);
    this.known.clear();
    for (const { path, contentKey } of files) {
      const absolute = resolve(path);
      this.known.set(absolute, contentKey ?? former.get(absolute));
    }
    const options = { clock: this.clock, settleMs: SETTLE_MS, recheckMs: RECHECK_MS };
    this.stopWatching = watchFiles([...this.known.keys()], options, () => this.compare());
    // What changed since they were read has no event any more.
    void this.compare();
  }

  stop(): void {
    this.isStopped = true;
    this.stopWatching();
  }

  private async compare(): Promise<void> {
    const { known } = this;
    const found = await Promise.all(
      [...known.keys()].map(async (path) => ({ path, key: await contentKeyOf(path) })),
    );
    if (this.isStopped) return;
    let isChanged = false;
    for (const { path, key } of found) {
      if (key === undefined || key === known.get(path) || !known.has(path)) continue;
      known.set(path, key);
      isChanged = true;
    }
    if (isChanged) this.onChange();
  }
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
