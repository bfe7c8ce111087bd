/** Reads the whole number that `text` spells from `start` to `end`: -1 unless that is 1 to 16 digits of a safe integer. */
export function readDecimal(text: string, start = 0, end = text.length): number {
  if (end <= start || end - start > 16) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : -1;
}
