import { watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Makes other files in a folder that is watched. To be started after the watch it is for, which then hears first. */
export function startTouching(folder: string): { another(): Promise<void>; stop(): void } {
  let made = 0;
  let onEvent: (name: string | null) => void = () => {};
  const watcher = watch(folder, (_, name) => onEvent(name));
  return {
    /** Makes one more file, and waits until whoever watches the folder has heard of it. */
    async another() {
      const name = `other-${++made}.log`;
      const heard = new Promise<void>((resolve) => {
        onEvent = (changed) => changed === name && resolve();
      });
      writeFileSync(join(folder, name), 'line\n');
      await heard;
      await nextTurn();
    },
    stop: () => watcher.close(),
  };
}
