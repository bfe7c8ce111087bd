import type { LogDestination } from '../../src/observability/log-destination.ts';

/** Keeps the lines of a log. */
export class MemoryDestination implements LogDestination {
  readonly droppedLines = 0;
  text = '';

  write(line: string): void {
    this.text += line;
  }

  flushSync(): void {}

  async close(): Promise<void> {}

  /** Parses what was written, one object a line. */
  lines(): Record<string, unknown>[] {
    return this.text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }
}
