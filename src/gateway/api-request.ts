import type { Exchange } from '../core/exchange.ts';
import type { InjectRequest } from './inject.ts';

/** A request in plain values, in the terms of the design. */
export interface APIRequest {
  /** In upper case, such as `GET`. */
  readonly method: string;
  /** Without its query; encoded as in a URL. */
  readonly path: string;
  /** Several fields of one name are joined by `, `. */
  readonly headers: Record<string, string>;
  /** Of several parameters of one name, the last. */
  readonly queryParams: Record<string, string>;
  /** Text or bytes; anything else is sent as JSON, and `undefined` or `null` as no body. */
  readonly body: unknown;
}

/** A request of which a policy has the body as it came, where it asked for it with `requestBody`. */
export interface ReceivedAPIRequest extends APIRequest {
  readonly body: Buffer | undefined;
}

/** Copies what a policy needs most of a request into plain values: names in lower case. The exchange itself tells everything. */
export function toApiRequest({ request, path, query, headers, bodyBytes }: Exchange): ReceivedAPIRequest {
  const names = new Set(Array.from(headers, ([name]) => name.toLowerCase()));
  return {
    method: request.method,
    path,
    headers: Object.fromEntries(Array.from(names, (name) => [name, headers.get(name) ?? ''])),
    queryParams: Object.fromEntries(new URLSearchParams(query)),
    body: bodyBytes,
  };
}

/** Makes of a request in plain values one that is handled in memory. The framing of the body is not its own to state. */
export function toInjectRequest(request: APIRequest | InjectRequest): InjectRequest {
  if ('url' in request) return request;
  const { method, path, queryParams, body } = request;
  const query = new URLSearchParams(queryParams).toString();
  const isJson = !isWritten(body);
  const headers = Object.entries(request.headers).filter(([name]) => !FRAMING.test(name));
  if (isJson && !headers.some(([name]) => name.toLowerCase() === 'content-type'))
    headers.push(['content-type', 'application/json']);
  return {
    method,
    url: query === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${query}`,
    headers,
    ...(body !== undefined && body !== null && { body: isJson ? JSON.stringify(body) : (body as string) }),
  };
}

const FRAMING = /^(?:content-length|transfer-encoding)$/i;

/** Whether a body is what is sent, or none, and not what JSON is made of. */
function isWritten(body: unknown): boolean {
  if (body === undefined || body === null || typeof body === 'string' || body instanceof Uint8Array)
    return true;
  return typeof body === 'object' && Symbol.asyncIterator in body;
}
