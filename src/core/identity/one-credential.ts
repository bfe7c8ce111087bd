import { FieldKind } from '../field-kind.ts';
import type { HeaderList } from '../header-list.ts';

/**
 * Tells whether a request carries several credentials where one is due, in fields of one name or in one field: whoever
 * judges it and whoever serves it might each take another one. `more` names fields beside `Authorization` and `Cookie`.
 */
export function findSeveralCredentials(
  headers: HeaderList,
  more: readonly string[],
): 'twice' | 'unreadable' | undefined {
  const authorization = headers.getKind(FieldKind.authorization);
  // Fields of one name are joined by a comma, so that without one there is but one.
  const hasComma = authorization?.includes(',') === true;
  if ((hasComma && headers.isRepeated('authorization')) || headers.isRepeated('cookie')) return 'twice';
  for (let i = 0; i < more.length; i++) if (headers.isRepeated(more[i] as string)) return 'twice';
  return hasComma && isJoined(authorization as string) ? 'unreadable' : undefined;
}

/** Schemes whose credentials are one word, in which a comma cannot stand (RFC 7617 §2, RFC 6750 §2.1, RFC 4559 §4). */
const ONE_WORD = /^(?:basic|bearer|dpop|negotiate|ntlm)(?![!#$%&'*+\-.^_`|~0-9a-z])/i;

/**
 * Tells whether `Authorization` holds several credentials joined by commas, as proxies join fields of one name. Commas
 * also part the parameters of one scheme: behind those stands `name=value`, behind ours a scheme and a space, or nothing.
 * Passes over the value once, since nobody is known yet.
 */
function isJoined(value: string): boolean {
  if (ONE_WORD.test(value)) return true;
  let isQuoted = false;
  let isFirst = true;
  let start = 0;
  for (let i = 0; i <= value.length; i++) {
    const char = value[i];
    if (isQuoted && char === '\\') i++;
    else if (char === '"') isQuoted = !isQuoted;
    if (i < value.length && (isQuoted || char !== ',')) continue;
    if (isFirst ? isBlank(value, start, i) : !isParameter(value, start, i)) return true;
    isFirst = false;
    start = i + 1;
  }
  return isQuoted;
}

function isBlank(value: string, start: number, end: number): boolean {
  return skipSpace(value, start, end) === end;
}

/** Tells whether `name=value` stands at `start…end`, with or without space around the sign. */
function isParameter(value: string, start: number, end: number): boolean {
  const nameStart = skipSpace(value, start, end);
  let nameEnd = nameStart;
  while (nameEnd < end && isNameChar(value.charCodeAt(nameEnd))) nameEnd++;
  return nameEnd > nameStart && value[skipSpace(value, nameEnd, end)] === '=';
}

function isNameChar(code: number): boolean {
  return code !== 0x20 && code !== 0x09 && code !== 0x3d && code !== 0x22 && code !== 0x2c;
}

function skipSpace(value: string, start: number, end: number): number {
  let at = start;
  while (at < end && (value.charCodeAt(at) === 0x20 || value.charCodeAt(at) === 0x09)) at++;
  return at;
}
