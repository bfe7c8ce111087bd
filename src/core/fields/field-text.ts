const SPACE = 0x20;
const TAB = 0x09;

/**
 * Takes space and tabs off both ends of a field value (OWS, RFC 9110 §5.6.3) and nothing else. JavaScript's `trim` takes
 * the byte A0 as well, which is the end of many a letter in UTF-8.
 */
export function trimOws(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isOws(value.charCodeAt(start))) start++;
  while (end > start && isOws(value.charCodeAt(end - 1))) end--;
  return start === 0 && end === value.length ? value : value.slice(start, end);
}

function isOws(code: number): boolean {
  return code === SPACE || code === TAB;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads a field value as text. Header lists hold bytes, one character each: where these are UTF-8 they are read so, and
 * else as they stand.
 */
export function decodeFieldText(value: string): string {
  if (!hasHighBytes(value)) return value;
  try {
    return UTF8.decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}

/** Writes text as header lists hold it: the bytes of its UTF-8, one character each. */
export function encodeFieldText(text: string): string {
  return hasHighBytes(text) ? Buffer.from(text.toWellFormed(), 'utf8').toString('latin1') : text;
}

function hasHighBytes(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return true;
  return false;
}
