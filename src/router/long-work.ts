import { setImmediate } from 'node:timers/promises';

/** How long work may keep the event loop before requests get a turn. */
const SLICE_MS = 2;

/** Work that takes long and is done in slices, between which requests get a turn. */
export class LongWork {
  private sliceStart = performance.now();

  /** Whether the slice is over, so that `rest` is due. */
  get isDue(): boolean {
    return performance.now() - this.sliceStart > SLICE_MS;
  }

  /** Lets everything else have its turn. */
  async rest(): Promise<void> {
    await setImmediate();
    this.sliceStart = performance.now();
  }
}
