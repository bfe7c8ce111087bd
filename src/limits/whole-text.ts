/** The last three digits, as they are written behind others. */
const LAST_DIGITS: readonly string[] = Array.from({ length: 1000 }, (_, i) => String(i).padStart(3, '0'));

/**
 * Writes a whole number of at least 0 as `String` does. V8 keeps the text of every number that it has written, thousands
 * of which then live on from one collection to the next; of a counter that falls with each request all but the last
 * digits stay as they are.
 */
export function wholeText(value: number): string {
  if (value < 1000) return String(value);
  return String(Math.floor(value / 1000)) + (LAST_DIGITS[value % 1000] as string);
}
