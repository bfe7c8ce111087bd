import { isClaimedField } from '../core/fields/claimed-fields.ts';
import { HeaderList } from '../core/header-list.ts';

/** Fields that mean something only before the body, or that only we may say (RFC 9110 §6.5.1). */
const NOT_IN_TRAILERS: ReadonlySet<string> = new Set(
  (
    'age authorization cache-control connection content-encoding content-length content-range content-type cookie date ' +
    'expect expires host http2-settings keep-alive location max-forwards origin pragma range retry-after ' +
    'set-cookie te trailer transfer-encoding upgrade vary via www-authenticate x-api-key ' +
    'x-request-id'
  ).split(' '),
);
const PREFIXES_NOT_IN_TRAILERS = /^(?:access-control|if|proxy|sec|x-auth)-/;

/** Makes the trailer section of names and values by turns, without the fields that may not stand there. */
export function readTrailers(parts: readonly string[]): HeaderList | undefined {
  const list = HeaderList.from();
  let isEmpty = true;
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const name = parts[i] as string;
    if (!mayStandInTrailers(name)) continue;
    list.append(name, trimBlanks(parts[i + 1] as string));
    isEmpty = false;
  }
  return isEmpty ? undefined : list;
}

function mayStandInTrailers(name: string): boolean {
  const key = name.toLowerCase().replace(/[^a-z0-9]/g, '-');
  return !NOT_IN_TRAILERS.has(key) && !PREFIXES_NOT_IN_TRAILERS.test(key) && !isClaimedField(name);
}

/** Takes spaces and tabs off both ends, and nothing else that Unicode calls white space. */
function trimBlanks(value: string): string {
  let start = 0;
  let end = value.length;
  while (isBlank(value.charCodeAt(start))) start++;
  while (end > start && isBlank(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
