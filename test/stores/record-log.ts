import type { Log } from '../../src/core/services.ts';

export interface RecordedLine {
  readonly level: string;
  readonly message: string;
}

/** A log that keeps its lines. */
export function recordLog(): Log & { readonly lines: readonly RecordedLine[] } {
  const lines: RecordedLine[] = [];
  const write = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, ...fields });
  return { lines, debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}
