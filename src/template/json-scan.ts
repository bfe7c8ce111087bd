// Finds its way in JSON that is known to be valid. Nothing here checks anything.

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

/** Gives the place of the first character from `i` on that is not a white space. */
export function skipSpace(json: string, i: number): number {
  let at = i;
  for (; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
  }
  return at;
}

/** Gives the place behind the value that begins at `start`. */
export function endOfValue(json: string, start: number): number {
  switch (json[start]) {
    case '"':
      return endOfText(json, start);
    case '[':
    case '{':
      return endOfContainer(json, start);
    default:
      return endOfScalar(json, start);
  }
}

/** Gives the place behind the text whose quote stands at `start`. */
export function endOfText(json: string, start: number): number {
  for (let i = start + 1; ; i++) {
    const code = json.charCodeAt(i);
    if (code === QUOTE) return i + 1;
    if (code === BACKSLASH) i++;
  }
}

/** Tells how deep lists and maps stand within each other: 0 for a value that is neither. */
export function depthOf(json: string): number {
  let deepest = 0;
  let depth = 0;
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (code === QUOTE) i = endOfText(json, i) - 1;
    else if (isOpening(code)) deepest = Math.max(deepest, ++depth);
    else if (isClosing(code)) depth--;
  }
  return deepest;
}

function endOfContainer(json: string, start: number): number {
  let depth = 0;
  for (let i = start; ; i++) {
    const code = json.charCodeAt(i);
    if (code === QUOTE) i = endOfText(json, i) - 1;
    else if (isOpening(code)) depth++;
    else if (isClosing(code) && --depth === 0) return i + 1;
  }
}

function endOfScalar(json: string, start: number): number {
  let i = start;
  while (i < json.length && !isDelimiter(json.charCodeAt(i))) i++;
  return i;
}

function isDelimiter(code: number): boolean {
  return code <= 0x20 || code === COMMA || isClosing(code);
}

/** `[` and `{` are 5B and 7B, `]` and `}` 5D and 7D. */
function isOpening(code: number): boolean {
  return (code | 0x20) === 0x7b;
}

function isClosing(code: number): boolean {
  return (code | 0x20) === 0x7d;
}
