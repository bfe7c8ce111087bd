import { isUtf8 } from 'node:buffer';

/** Why bytes are not taken for JSON. */
export type JsonFault = 'encoding' | 'syntax' | 'depth' | 'duplicate-key' | 'prototype-key' | 'number';

/** A value and the text that it was read from, or why there is none. */
export type StrictJson =
  | { readonly value: unknown; readonly text: string; readonly fault?: undefined }
  | { readonly fault: JsonFault };

export interface StrictJsonOptions {
  /** How deep arrays and objects may stand within each other. */
  readonly maxDepth: number;
  /** Whether a member may be called `__proto__`. */
  readonly allowsProto: boolean;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/**
 * Reads JSON that readers could not understand in different ways: UTF-8, no name twice in one object, no number beyond
 * what a double holds, nothing that code could take for a prototype.
 */
export function readStrictJson(bytes: Buffer, options: StrictJsonOptions): StrictJson {
  if (!isUtf8(bytes)) return { fault: 'encoding' };
  const members = countMembers(bytes, options.maxDepth);
  if (members < 0) return { fault: 'depth' };
  const text = bytes.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { fault: 'syntax' };
  }
  const left = countParsed(value);
  if (Number.isNaN(left)) return { fault: 'number' };
  if (!options.allowsProto && mayNamePrototype(text) && namesPrototype(value))
    return { fault: 'prototype-key' };
  // Of a name that stands twice JSON.parse keeps one, so that fewer are left than there are colons.
  return left === members ? { value, text } : { fault: 'duplicate-key' };
}

/** Counts the members of all objects in bytes that may be JSON, -1 where it is nested more than `maxDepth` deep. */
function countMembers(bytes: Uint8Array, maxDepth: number): number {
  const { length } = bytes;
  let members = 0;
  let depth = 0;
  for (let i = 0; i < length; i++) {
    const code = bytes[i] as number;
    if (code === QUOTE) {
      for (i++; i < length && bytes[i] !== QUOTE; i++) if (bytes[i] === BACKSLASH) i++;
    } else if (code === COLON) members++;
    // `[` and `{` are 5B and 7B, `]` and `}` 5D and 7D.
    else if ((code | 0x20) === 0x7b) {
      if (++depth > maxDepth) return -1;
    } else if ((code | 0x20) === 0x7d) depth--;
  }
  return members;
}

/** Counts the members of all objects in a value; NaN where it holds a number beyond what a double can. */
function countParsed(value: unknown): number {
  if (typeof value === 'number') return Number.isFinite(value) ? 0 : Number.NaN;
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      if (typeof item === 'object' || typeof item === 'number') count += countParsed(item);
    }
    return count;
  }
  for (const name in value) {
    const member: unknown = (value as Record<string, unknown>)[name];
    count++;
    if (typeof member === 'object' || typeof member === 'number') count += countParsed(member);
  }
  return count;
}

/** Whether a text may have a name that means something to JavaScript, also one that is written with escapes. */
function mayNamePrototype(text: string): boolean {
  return text.includes('__proto__') || text.includes('constructor') || text.includes('\\u');
}

function namesPrototype(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(
    ([name, member]) => (!Array.isArray(value) && isPrototypeName(name, member)) || namesPrototype(member),
  );
}

/** `__proto__`, and `constructor: { prototype: … }`: what merging code could write to the prototype of all objects. */
function isPrototypeName(name: string, member: unknown): boolean {
  if (name === '__proto__') return true;
  return (
    name === 'constructor' &&
    typeof member === 'object' &&
    member !== null &&
    Object.hasOwn(member, 'prototype')
  );
}
