import { FieldKind } from '../core/field-kind.ts';
import { isClaimedField } from '../core/fields/claimed-fields.ts';
import { trimOws } from '../core/fields/field-text.ts';
import type { HeaderList } from '../core/header-list.ts';

/**
 * Fields whose removal would change who is asked, what is framed, or what is judged: a client that names them in
 * `Connection` gets nothing by it, nor by naming what proxies in front say (CVE-2022-31813).
 */
const NEVER_NAMED: ReadonlySet<string> = new Set(
  'host content-length date expect origin sec-fetch-site via max-forwards x-request-id'.split(' '),
);

/** Hop-by-hop fields of every message, as a set of kinds (RFC 9110 §7.6.1). */
export const REMOVED_FROM_ALL =
  (1 << FieldKind.connection) |
  (1 << FieldKind.keepAlive) |
  (1 << FieldKind.proxyConnection) |
  (1 << FieldKind.transferEncoding) |
  (1 << FieldKind.upgrade) |
  (1 << FieldKind.te) |
  (1 << FieldKind.http2Settings);

/** Each option is looked for among all fields, so that thousands would cost milliseconds. */
const MAX_CONNECTION_OPTIONS = 100;

/** Removes the hop-by-hop fields, and those that `Connection` names. Answers `false` when it names too many. */
export function stripHopByHop(headers: HeaderList, connection: string, kinds: number): boolean {
  headers.deleteKinds(kinds);
  if (connection === '' || connection === 'keep-alive' || connection === 'close' || connection === 'upgrade')
    return true;
  const options = connection.split(',', MAX_CONNECTION_OPTIONS + 1);
  if (options.length > MAX_CONNECTION_OPTIONS) return false;
  for (const option of options) {
    const name = trimOws(option);
    if (name !== '' && name !== 'te' && !NEVER_NAMED.has(name) && !isClaimedField(name)) headers.delete(name);
  }
  return true;
}

/** Tells whether the connection can carry another message, by the value of `Connection` in lower case. */
export function isPersistentConnection(minor: 0 | 1, connection: string): boolean {
  if (connection === '') return minor === 1;
  if (hasToken(connection, 'close')) return false;
  return minor === 1 || hasToken(connection, 'keep-alive');
}

/** Tells whether a comma-separated list holds `token`. Both in lower case. */
export function hasToken(list: string, token: string): boolean {
  if (list === token) return true;
  if (!list.includes(token)) return false;
  return list.split(',').some((part) => trimOws(part) === token);
}
