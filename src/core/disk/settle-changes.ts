import { basename } from 'node:path';
import type { Clock } from '../clock.ts';

/** What hears of the events in a folder. */
export interface ChangeSettler {
  /** Takes an event, as a listener of `fs.watch`. */
  hear(event: string, name: string | null): void;
  /** Plans nothing any more, until the next event. */
  cancel(): void;
}

/**
 * Calls `look` when `files` have been left alone for `delayMs`: what touches them several times is one change. Other
 * files of their folders make it look too, since a link beside them may have been swapped, but never put a look off: a
 * log that is written all the time would do so for ever.
 */
export function settleChanges(
  files: readonly string[],
  delayMs: number,
  clock: Pick<Clock, 'after'>,
  look: () => void,
): ChangeSettler {
  const names = new Set(files.map((file) => basename(file)));
  let cancelLook: (() => void) | undefined;
  return {
    hear(_, name) {
      if (cancelLook !== undefined && (name === null || !names.has(name))) return;
      cancelLook?.();
      cancelLook = clock.after(delayMs, () => {
        cancelLook = undefined;
        look();
      });
    },
    cancel() {
      cancelLook?.();
      cancelLook = undefined;
    },
  };
}
