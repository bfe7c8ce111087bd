import type { Exchange } from '../core/exchange.ts';

/** A request in plain values, for code that wants no more. */
export interface APIRequest {
  readonly method: string;
  readonly path: string;
  /** Names in lower case; several fields of one name are joined by `, `. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of several parameters of one name, the last. */
  readonly queryParams: Readonly<Record<string, string>>;
  /** The whole body where the policy asked for it with `requestBody`, else `undefined`. */
  readonly body: Buffer | undefined;
}

/** Copies what a policy needs most of a request into plain values. The exchange itself tells everything. */
export function toApiRequest({ request, path, query, headers, bodyBytes }: Exchange): APIRequest {
  const names = new Set(Array.from(headers, ([name]) => name.toLowerCase()));
  return {
    method: request.method,
    path,
    headers: Object.fromEntries(Array.from(names, (name) => [name, headers.get(name) ?? ''])),
    queryParams: Object.fromEntries(new URLSearchParams(query)),
    body: bodyBytes,
  };
}
