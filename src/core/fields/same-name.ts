/** Tells whether two names of fields are the same, whatever their case. */
export function sameName(a: string, b: string): boolean {
  return a.length === b.length && sameLetters(a, 0, b);
}

/**
 * Compares `name` with the letters of `text` from `start` on, whatever their case. Both sides are tokens, in which
 * `@`-like neighbours of letters do not occur.
 */
export function sameLetters(text: string, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const a = text.charCodeAt(start + i);
    const b = name.charCodeAt(i);
    if (a !== b && lower(a) !== lower(b)) return false;
  }
  return true;
}

function lower(code: number): number {
  return code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
}
