import { FieldKind, fieldKindOf } from '../core/field-kind.ts';
import { decodeFieldText } from '../core/fields/field-text.ts';
import type { HeaderList } from '../core/header-list.ts';
import { readJson } from '../template/read-json.ts';
import type { BatchItem } from './batch-item.ts';

/** The response to one request of a batch, whole. */
export interface ItemResponse {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
}

const MAX_DEPTH = 64;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Writes one response as JSON. What is JSON stays as it was written; text is a text, and all else base64. */
export function writeResponse({ id }: BatchItem, { status, headers, body }: ItemResponse): string {
  const members = [...(id === undefined ? [] : [`"id":${id}`]), `"status":${status}`];
  members.push(`"headers":${writeHeaders(headers)}`);
  if (body.length > 0) members.push(writeBody(headers, body));
  return `{${members.join(',')}}`;
}

/** The cookies that a response sets are set by that of the batch: a page must not read what is `HttpOnly`. */
export function cookiesOf({ headers }: ItemResponse): string[] {
  return headers.getAll('set-cookie');
}

function writeHeaders(headers: HeaderList): string {
  const byName = new Map<string, string>();
  for (const [written, value] of headers) {
    const name = written.toLowerCase();
    if (name === 'set-cookie' || LEFT_OUT.has(fieldKindOf(name))) continue;
    const former = byName.get(name);
    const text = decodeFieldText(value);
    byName.set(name, former === undefined ? text : `${former}, ${text}`);
  }
  const members = [...byName].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  return `{${members.join(',')}}`;
}

/** What frames a message, and what browsers read of the response that they got, which is that of the batch. */
const LEFT_OUT: ReadonlySet<number> = new Set([
  FieldKind.contentLength,
  FieldKind.transferEncoding,
  FieldKind.connection,
  FieldKind.keepAlive,
  FieldKind.trailer,
  FieldKind.upgrade,
  FieldKind.accessControl,
]);

function writeBody(headers: HeaderList, body: Buffer): string {
  const isEncoded = (headers.get('content-encoding') ?? 'identity').toLowerCase() !== 'identity';
  if (!isEncoded && /^application\/(?:[^;,\s]+\+)?json\s*(?:;|$)/i.test(headers.get('content-type') ?? '')) {
    const json = readJson(body, MAX_DEPTH);
    if (typeof json !== 'string') return `"body":${json.json}`;
  }
  const text = isEncoded ? undefined : textOf(body);
  if (text !== undefined) return `"body":${JSON.stringify(text)},"encoding":"text"`;
  return `"body":"${body.toString('base64')}","encoding":"base64"`;
}

function textOf(body: Buffer): string | undefined {
  try {
    return UTF8.decode(body);
  } catch {
    return undefined;
  }
}
