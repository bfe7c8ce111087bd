/** Has bytes to hand to the system at the end of the event loop's turn. */
export interface DeferredWriter {
  writeDeferred(): void;
}

/** So many at most wait for the end of the turn, so that a turn with much to do does not keep its first answers back. */
const MOST_WAITING = 64;

// Never shortened, since emptying and growing an array costs more than all else here.
const waiting: (DeferredWriter | undefined)[] = new Array(MOST_WAITING).fill(undefined);
let count = 0;
let isWriting = false;
let isScheduled = false;

/**
 * Lets `writer` write when the connections that have something to be read have all been read. Peers that are woken by
 * one write find what the next ones wrote without being woken again, which saves both sides a tenth of their work
 * (docs/decisions/0006-writes-at-the-end-of-a-turn.md).
 */
export function writeAtEndOfIteration(writer: DeferredWriter): void {
  waiting[count++] = writer;
  if (isWriting) return;
  if (count >= MOST_WAITING) writeAll();
  else if (!isScheduled) {
    isScheduled = true;
    setImmediate(endIteration);
  }
}

function endIteration(): void {
  isScheduled = false;
  writeAll();
}

function writeAll(): void {
  isWriting = true;
  // What is written may make somebody write more, who then joins the end of this list.
  for (let i = 0; i < count; i++) {
    const writer = waiting[i];
    waiting[i] = undefined;
    writer?.writeDeferred();
  }
  count = 0;
  isWriting = false;
}
