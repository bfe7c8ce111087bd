import { GatewayError } from '../core/errors.ts';
import { FieldKind, fieldKindOf } from '../core/field-kind.ts';
import { encodeFieldText } from '../core/fields/field-text.ts';
import { FORWARDED_METHODS } from '../core/methods.ts';
import type { JsonValue } from '../template/json-value.ts';

/** One request of a batch, as its client has written it. */
export interface BatchItem {
  /** The JSON of `id`, given back with the response. */
  readonly id: string | undefined;
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  /** Names in lower case, each once. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array | undefined;
}

const KEYS: ReadonlySet<string> = new Set(['id', 'method', 'path', 'headers', 'body', 'encoding']);
const METHODS: ReadonlySet<string> = new Set(FORWARDED_METHODS);
const MAX_ID_CHARS = 256;

/** Reads one request of a batch. Throws `GW_BATCH_INVALID`, which says what is wrong with it. */
export function readItem(value: JsonValue, place: string): BatchItem {
  const fail = (what: string): GatewayError =>
    new GatewayError('GW_BATCH_INVALID', { detail: `${place}: ${what}` });
  const members = readMap(value, fail, 'it is not a map');
  for (const name of members.keys()) if (!KEYS.has(name)) throw fail(`it has '${name}', which is not a key`);
  const method = textOf(members.get('method')) ?? (members.has('method') ? '' : 'GET');
  if (!METHODS.has(method)) throw fail('its method is not one that is forwarded');
  const path = textOf(members.get('path')) ?? '';
  if (!/^\/[!-~]*$/.test(path)) throw fail('its path does not begin with /, or is not percent-encoded');
  const headers = readHeaders(members.get('headers'), fail);
  const { bytes, type } = readBody(members.get('body'), textOf(members.get('encoding')) ?? 'json', fail);
  if (members.has('encoding') && bytes === undefined) throw fail('it has an encoding without a body');
  if (bytes !== undefined && type !== undefined && !headers.has('content-type'))
    headers.set('content-type', type);
  return { id: readId(members.get('id'), fail), method, path, headers, body: bytes };
}

type Fail = (what: string) => GatewayError;

/** Of two members of one name, whoever looks at the batch before us may have seen the other one. */
export function readMap(value: JsonValue, fail: Fail, otherwise: string): ReadonlyMap<string, JsonValue> {
  if (value.kind !== 'map') throw fail(otherwise);
  if (value.hasRepeatedName) throw fail('a name stands twice in it');
  return value.members;
}

function readId(id: JsonValue | undefined, fail: Fail): string | undefined {
  if (id === undefined) return undefined;
  if ((id.kind !== 'text' && id.kind !== 'number') || id.json.length > MAX_ID_CHARS)
    throw fail('its id is not a short text or number');
  return id.json;
}

function readHeaders(value: JsonValue | undefined, fail: Fail): Map<string, string> {
  const headers = new Map<string, string>();
  if (value === undefined) return headers;
  for (const [written, text] of readMap(value, fail, 'its headers are not a map')) {
    const name = written.toLowerCase();
    if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)) throw fail('it has a header whose name is not one');
    if (isReserved(name)) throw fail(`it has the header '${name}', which only the batch itself can have`);
    if (headers.has(name)) throw fail(`it has the header '${name}' twice`);
    const line = encodeFieldText(textOf(text) ?? '\n');
    if (!/^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/.test(line))
      throw fail(`its header '${name}' is not a text of one line`);
    headers.set(name, line);
  }
  return headers;
}

/**
 * Tells whether a header is none that a request in a batch may have: what frames it or names its host, what proxies and
 * the gateway say of it, and what the Fetch Standard lets no page write, since browsers vouch for that.
 */
export function isReserved(name: string): boolean {
  const kind = fieldKindOf(name);
  if (kind !== FieldKind.other && kind !== FieldKind.authorization) return true;
  return FORBIDDEN.has(name) || /^(?:sec-|proxy-)/.test(name);
}

/** https://fetch.spec.whatwg.org/#forbidden-request-header, but for what has a kind of its own. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  ...['accept-charset', 'accept-encoding', 'cookie', 'cookie2', 'date', 'dnt', 'referer', 'set-cookie'],
]);

function readBody(
  body: JsonValue | undefined,
  encoding: string,
  fail: Fail,
): { readonly bytes: Uint8Array | undefined; readonly type: string | undefined } {
  if (body === undefined) return { bytes: undefined, type: undefined };
  if (encoding === 'json') return { bytes: Buffer.from(body.json), type: 'application/json' };
  if (body.kind !== 'text') throw fail(`its body is not a text, as ${encoding} is`);
  const text = body.text as string;
  if (encoding === 'text') {
    if (!text.isWellFormed()) throw fail('its body is not a text that UTF-8 has');
    return { bytes: Buffer.from(text), type: 'text/plain; charset=utf-8' };
  }
  if (encoding !== 'base64') throw fail('its encoding is none — write json, text or base64');
  const bytes = Buffer.from(text, 'base64');
  // Node skips what is not base64, so that two texts would be one body.
  if (bytes.toString('base64') !== text) throw fail('its body is not base64 (RFC 4648 §4)');
  return { bytes, type: undefined };
}

function textOf(value: JsonValue | undefined): string | undefined {
  return value?.kind === 'text' ? value.text : undefined;
}
