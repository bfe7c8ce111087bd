import type { Exchange } from '../core/exchange.ts';
import { toJson } from './json-text.ts';

/** A field that the lines of the access log have where it was asked for. */
export interface MoreField {
  /** Its name as JSON. */
  readonly key: string;
  readonly read: (exchange: Exchange) => string | undefined;
}

const READERS: Readonly<Record<string, MoreField['read']>> = {
  userAgent: ({ headers }) => headers.get('user-agent'),
  referer: ({ headers }) => headers.get('referer'),
  scheme: ({ scheme }) => scheme,
  httpVersion: ({ request }) => request.httpVersion,
  peer: ({ request }) => request.client.remoteAddress,
  serverName: ({ request }) => request.client.serverName,
  upstreamPath: ({ upstreamPath }) => upstreamPath,
};

/** Finds how the fields of these names are read; what is about the caller is not among them. */
export function moreFieldsOf(names: readonly string[]): MoreField[] {
  return [...new Set(names)].flatMap((name) => {
    const read = name.startsWith('header:') ? headerReader(name.slice('header:'.length)) : READERS[name];
    return read === undefined ? [] : [{ key: toJson(name), read }];
  });
}

function headerReader(name: string): MoreField['read'] {
  const lower = name.toLowerCase();
  return ({ headers }) => headers.get(lower);
}
