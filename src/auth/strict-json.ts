import { parseExactJson } from './exact-json.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads a JSON object in which no name occurs twice. Of two claims of one name parsers take the first or the last, so
 * that whoever reads the token next might see another one (RFC 7515 §4, RFC 7519 §4).
 */
export function parseStrictObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const text = utf8.decode(bytes);
    const value: unknown = parseExactJson(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return hasRepeatedName(text) ? undefined : (value as Record<string, unknown>);
  } catch {
    return undefined;
  }
}

/** Looks for a name that an object in valid JSON has twice, at any depth. */
function hasRepeatedName(json: string): boolean {
  const open: (Set<string> | undefined)[] = [];
  for (let i = 0; i < json.length; i++) {
    const char = json[i];
    if (char === '{') open.push(new Set());
    else if (char === '[') open.push(undefined);
    else if (char === '}' || char === ']') open.pop();
    if (char !== '"') continue;
    const end = endOfText(json, i);
    const names = open.at(-1);
    if (names !== undefined && isBeforeColon(json, end)) {
      // Parsed, since `"a"` and `"\u0061"` are one name.
      const name = JSON.parse(json.slice(i, end)) as string;
      if (names.has(name)) return true;
      names.add(name);
    }
    i = end - 1;
  }
  return false;
}

function endOfText(json: string, start: number): number {
  let i = start + 1;
  while (json[i] !== '"') i += json[i] === '\\' ? 2 : 1;
  return i + 1;
}

function isBeforeColon(json: string, end: number): boolean {
  let i = end;
  while (json[i] === ' ' || json[i] === '\n' || json[i] === '\r' || json[i] === '\t') i++;
  return json[i] === ':';
}
