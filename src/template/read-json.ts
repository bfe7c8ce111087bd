import { depthOf } from './json-scan.ts';
import { JsonValue } from './json-value.ts';

/** Why bytes are not taken for JSON. */
export type JsonFault = 'not-utf8' | 'not-json' | 'too-deep';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Reads JSON of which nothing is known yet, nested `maxDepth` lists and maps at the most. */
export function readJson(bytes: Uint8Array, maxDepth: number): JsonValue | JsonFault {
  const text = readText(bytes);
  if (text === undefined) return 'not-utf8';
  try {
    // The engine's parser is the judge; what it makes is not used, since numbers would lose how they were written.
    JSON.parse(text);
  } catch {
    return 'not-json';
  }
  return depthOf(text) > maxDepth ? 'too-deep' : JsonValue.ofValid(text);
}

/** Reads bytes as text, `undefined` where they are not UTF-8. */
export function readText(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}
