/** A watch event holds one object; etcd takes none above a few megabytes. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

const LINE_FEED = 0x0a;

/**
 * Splits bytes that come in any pieces into lines, and gives each as parsed JSON. An unfinished last line is dropped.
 * The returned function throws for a line that is not JSON or too long.
 */
export function readJsonLines(onValue: (value: unknown) => void): (chunk: Buffer) => void {
  let pieces: Buffer[] = [];
  let size = 0;
  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      // Only whole lines become text: a piece may end within a character.
      const line = Buffer.concat([...pieces, chunk.subarray(start, end)]).toString();
      start = end + 1;
      pieces = [];
      size = 0;
      if (line.trim() !== '') onValue(JSON.parse(line));
    }
    pieces.push(chunk.subarray(start));
    size += chunk.length - start;
    if (size > MAX_LINE_BYTES) throw new Error('a line of the response is too long');
  };
}
