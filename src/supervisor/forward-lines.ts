import type { Readable } from 'node:stream';
import type { LogDestination } from '../observability/log-destination.ts';

/** A line beyond it is not a line of ours, and is cut. */
const MAX_LINE_LENGTH = 1024 * 1024;

/**
 * Writes what a worker writes to its standard output, whole lines only: several processes on one pipe would mix theirs
 * where one writes more than the system takes at once. Lines of the log get the number of the worker.
 * Resolves when all was read.
 */
export function forwardLines(output: Readable, destination: LogDestination, worker: number): Promise<void> {
  const mark = `{"worker":${worker},`;
  let begun = '';
  const forward = (line: string): void =>
    destination.write(line.startsWith('{"') ? mark + line.slice(1) : line);
  output.setEncoding('utf8').on('data', (text: string) => {
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      forward(begun + text.slice(from, end + 1));
      begun = '';
      from = end + 1;
    }
    begun += text.slice(from);
    if (begun.length > MAX_LINE_LENGTH) {
      forward(`${begun}\n`);
      begun = '';
    }
  });
  return new Promise((resolve) => {
    output.once('close', () => {
      if (begun !== '') forward(`${begun}\n`);
      resolve();
    });
  });
}
