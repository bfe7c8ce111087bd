import { trimOws } from './field-text.ts';

/** A value, or that readers of the request may disagree about it. */
export type FoundCookie = { readonly value: string } | 'unclear';

const SEMICOLON = 0x3b;
const COMMA = 0x2c;
const EQUALS = 0x3d;

/**
 * Finds the value of a cookie (RFC 6265 §4.2.1). It is unclear where the name stands twice, or behind a comma, at which
 * some services part cookies and others do not. Passes over the field once: nobody is known yet.
 */
export function findCookieOnce(field: string, name: string): FoundCookie | undefined {
  let found: FoundCookie | undefined;
  let isBehindComma = false;
  for (let start = 0; start <= field.length; ) {
    const end = endOfPart(field, start);
    const valueStart = valueStartOf(field, start, end, name);
    if (valueStart >= 0) {
      if (found !== undefined || isBehindComma) return 'unclear';
      found = { value: trimOws(field.slice(valueStart, endOfPair(field, end))) };
    }
    isBehindComma = field.charCodeAt(end) === COMMA;
    start = end + 1;
  }
  return found;
}

/** Finds the first value of a cookie, whether pairs are parted by semicolons or by commas. */
export function findFirstCookie(field: string, name: string): string | undefined {
  for (let start = 0; start <= field.length; ) {
    const end = endOfPart(field, start);
    const valueStart = valueStartOf(field, start, end, name);
    if (valueStart >= 0) return trimOws(field.slice(valueStart, end));
    start = end + 1;
  }
  return undefined;
}

/** Takes every pair of a name out of a field, also one that holds it behind a comma. Gives the rest, empty where nothing is left. */
export function withoutCookie(field: string, name: string): string {
  const kept: string[] = [];
  for (const part of field.split(';')) {
    const pair = trimOws(part);
    if (pair !== '' && findFirstCookie(pair, name) === undefined) kept.push(pair);
  }
  return kept.join('; ');
}

/** Where the next semicolon or comma stands, or the end. */
function endOfPart(field: string, start: number): number {
  let end = start;
  while (end < field.length && !isSeparator(field.charCodeAt(end))) end++;
  return end;
}

/** A comma belongs to the value. Asked for the one pair that is meant. */
function endOfPair(field: string, from: number): number {
  const end = field.indexOf(';', from);
  return end < 0 ? field.length : end;
}

function isSeparator(code: number): boolean {
  return code === SEMICOLON || code === COMMA;
}

/** Where the value begins in the part `start…end`, or -1 where that is not a pair of this name. */
function valueStartOf(field: string, start: number, end: number, name: string): number {
  const nameStart = skipOws(field, start, end);
  if (!field.startsWith(name, nameStart)) return -1;
  const equals = skipOws(field, nameStart + name.length, end);
  return equals < end && field.charCodeAt(equals) === EQUALS ? equals + 1 : -1;
}

function skipOws(field: string, start: number, end: number): number {
  let at = start;
  while (at < end && (field.charCodeAt(at) === 0x20 || field.charCodeAt(at) === 0x09)) at++;
  return at;
}
