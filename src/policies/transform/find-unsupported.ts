import { parseDirectives } from '../../cache/directives.ts';
import type { HeaderList } from '../../core/header-list.ts';

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

/** gRPC, whose messages only look like JSON, has a frame around each. */
const JSON_TYPE = /^application\/(?!grpc)(?:[!#$%&'*+\-.^_`|~0-9a-z]+\+)?json$/i;

/** RFC 8259 and RFC 6839 §3.1, in UTF-8 as RFC 8259 §8.1 wants it. */
function isJsonType(type: string): boolean {
  const [essence = '', ...parameters] = type.split(';');
  if (!JSON_TYPE.test(essence.trim())) return false;
  return parameters.every((parameter) => {
    const [name = '', value = ''] = parameter.split('=');
    return name.trim().toLowerCase() !== 'charset' || /^"?utf-?8"?$/i.test(value.trim());
  });
}

function isKept(cacheControl: string | undefined): boolean {
  return cacheControl !== undefined && parseDirectives(cacheControl).noTransform === true;
}
