import type { LightMyRequestResponse } from 'fastify';
import { FieldKind, fieldKindOf } from '../core/field-kind.ts';
import { HeaderList } from '../core/header-list.ts';
import type { ResponseHead, TargetRequest } from '../core/message.ts';

/** Methods for which "no body" is said by `Content-Length: 0` (RFC 9110 §8.6). */
const EXPECTS_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/** What says how a message travels and not what it is (RFC 9110 §7.6.1), and the length, which `ResponseHead` has. */
const DROPPED: ReadonlySet<number> = new Set([
  FieldKind.connection,
  FieldKind.keepAlive,
  FieldKind.proxyConnection,
  FieldKind.transferEncoding,
  FieldKind.upgrade,
  FieldKind.te,
  FieldKind.http2Settings,
  FieldKind.contentLength,
]);

/** Makes the header of a request as `inject` takes it: fields that come more than once as lists. */
export function toAppHeaders(request: TargetRequest): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = Object.create(null);
  // Otherwise `inject` makes up a `user-agent` of its own.
  (headers as Record<string, unknown>)['user-agent'] = undefined;
  for (const [name, value] of request.headers) {
    const key = name.toLowerCase();
    const earlier = headers[key];
    if (earlier === undefined) headers[key] = value;
    else if (Array.isArray(earlier)) earlier.push(value);
    else headers[key] = [earlier, value];
  }
  const { length } = request.body;
  if (length === undefined) headers['transfer-encoding'] = 'chunked';
  else if (length > 0 || EXPECTS_BODY.has(request.method)) headers['content-length'] = String(length);
  if (request.acceptsTrailers) headers.te = 'trailers';
  headers.host = request.host;
  return headers;
}

/** Reads the head of an app's response. Throws `TypeError` for what cannot be sent on. */
export function toResponseHead(response: LightMyRequestResponse, method: string): ResponseHead {
  const { statusCode: status, headers } = response;
  if (status < 200 || status > 599) throw new TypeError(`${status} is not the status of a whole response`);
  const named = namesIn(headers.connection);
  const kept = HeaderList.from();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || DROPPED.has(fieldKindOf(name)) || named.has(name)) continue;
    for (const each of Array.isArray(value) ? value : [String(value)]) kept.append(name, each);
  }
  const length = lengthOf(headers['content-length'], status, method);
  return { status, reason: response.statusMessage ?? '', headers: kept, length };
}

/** Reads the trailers of an app's response, `undefined` where there are none. */
export function toTrailers(trailers: Readonly<Record<string, string>>): HeaderList | undefined {
  const fields = Object.entries(trailers);
  return fields.length === 0 ? undefined : HeaderList.from(fields);
}

function namesIn(connection: unknown): ReadonlySet<string> {
  if (connection === undefined) return new Set();
  return new Set(
    String(connection)
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  );
}

function lengthOf(stated: unknown, status: number, method: string): number | undefined {
  if (stated !== undefined) {
    const length = /^\d+$/.test(String(stated)) ? Number(stated) : Number.NaN;
    if (!Number.isSafeInteger(length)) throw new TypeError(`'${String(stated)}' is not a content-length`);
    return length;
  }
  return status === 204 && method !== 'HEAD' ? 0 : undefined;
}
