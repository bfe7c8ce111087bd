import { type ConfigDocument, failedDocument, type Position } from './document.ts';
import { parseYaml } from './yaml-document.ts';

/** Reads JSON. JSON.parse judges, since YAML takes more than JSON; the YAML reader then knows duplicates and places. */
export function parseJson(written: string): ConfigDocument {
  // Editors put a byte order mark in front, which JSON.parse rejects (RFC 8259 section 8.1 lets a reader ignore it).
  const text = written.replace(/^\ufeff/, '');
  if (isJson(text)) return parseYaml(text);
  return failedDocument(
    'is not valid JSON — correct what stands at this place',
    positionAt(text, faultOffset(text)),
  );
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Searches for the longest beginning that could still become JSON, since V8 names the place of only some mistakes. */
function faultOffset(text: string): number {
  let good = 0;
  let bad = text.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (couldBecomeJson(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

function couldBecomeJson(beginning: string): boolean {
  try {
    JSON.parse(beginning);
    return true;
  } catch (error) {
    const reason = String(error);
    return /end of JSON|Unterminated/.test(reason) || reason.includes(`at position ${beginning.length} `);
  }
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}
