import { decodePath } from './path-spelling.ts';

const IS_PLAIN = /^[^%A-Z]*$/;

/**
 * Gives texts that differ only in case one form, beyond ASCII too: both ways, since `ſ` is an `s` in capitals alone. Takes
 * a segment in its one spelling, or text.
 */
export function foldCase(segment: string): string {
  if (IS_PLAIN.test(segment)) return segment;
  return decodePath(segment).toUpperCase().toLowerCase();
}
