import { parseDirectives } from '../../cache/directives.ts';
import type { HeaderList } from '../../core/header-list.ts';
import { isJsonType } from '../../template/json-type.ts';

/** Says why the body of a message is not read as JSON, or nothing where it can be. */
export function findUnsupported(headers: HeaderList): string | undefined {
  const type = headers.get('content-type') ?? '';
  if (!isJsonType(type))
    return `its type is not JSON (${type === '' ? 'none is stated' : type.slice(0, 80)})`;
  const coding = headers.get('content-encoding')?.trim().toLowerCase() ?? '';
  if (coding !== '' && coding !== 'identity') return `it is encoded (${coding.slice(0, 80)})`;
  if (headers.has('content-range')) return 'it is a part of another one';
  // RFC 9110 §7.7
  if (isKept(headers.get('cache-control'))) return 'Cache-Control: no-transform forbids it';
  return undefined;
}

function isKept(cacheControl: string | undefined): boolean {
  return cacheControl !== undefined && parseDirectives(cacheControl).noTransform === true;
}
