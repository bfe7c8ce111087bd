import { HeaderList } from '../core/header-list.ts';
import { isSameStrong } from './conditional.ts';

/** What a 304 does not change: what belongs to the body as it is stored, and to the connection (RFC 9111 §3.2). */
const KEPT: ReadonlySet<string> = new Set([
  ...['content-encoding', 'content-length', 'content-range', 'content-type', 'transfer-encoding'],
  ...['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade'],
  ...['proxy-authenticate', 'proxy-authentication-info', 'proxy-authorization', 'set-cookie', 'set-cookie2'],
]);

/** Tells whether a 304 speaks of what is stored: a strong entity tag in it has to be the stored one (RFC 9111 §4.3.4). */
export function isAboutStored(notModified: HeaderList, stored: HeaderList): boolean {
  const etag = notModified.get('etag');
  if (etag === undefined) return true;
  const own = stored.get('etag');
  if (own === undefined) return false;
  return isSameStrong(etag, own) || (etag.startsWith('W/') && stripWeak(etag) === stripWeak(own));
}

/** Gives the fields of a stored response as a 304 or the response to a HEAD updates them (RFC 9111 §3.2). */
export function freshenHeaders(stored: HeaderList, update: HeaderList): HeaderList {
  const replaced = new Set<string>();
  for (const [name] of update) replaced.add(name.toLowerCase());
  const isReplaced = (name: string): boolean => replaced.has(name) && !KEPT.has(name);
  const fields: [string, string][] = [];
  for (const [name, value] of stored) if (!isReplaced(name.toLowerCase())) fields.push([name, value]);
  for (const [name, value] of update) if (!KEPT.has(name.toLowerCase())) fields.push([name, value]);
  return HeaderList.from(fields);
}

/**
 * Tells whether the response to a HEAD shows that what is stored is no longer what GET would give (RFC 9111 §4.3.5).
 */
export function contradicts(head: HeaderList, stored: HeaderList): boolean {
  return ['etag', 'last-modified', 'content-length', 'content-md5'].some((name) => {
    const said = head.get(name);
    return said !== undefined && said !== stored.get(name);
  });
}

function stripWeak(etag: string): string {
  return etag.startsWith('W/') ? etag.slice(2) : etag;
}
