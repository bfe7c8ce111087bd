import { isIP } from 'node:net';

/**
 * Tells whether a `Host` may name the admin port. A web page can let its own name point to our address (DNS
 * rebinding), but it cannot choose an address or a name that is ours.
 */
export function isOwnHost(host: string | undefined, ownNames: ReadonlySet<string>): boolean {
  const name = hostNameOf(host ?? '');
  return name !== undefined && (isIP(name) !== 0 || name === 'localhost' || ownNames.has(name));
}

/** Returns the name or address in a `Host`, in lower case, without port, brackets and closing dot. */
function hostNameOf(host: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host);
  if (!match) return undefined;
  if (match[1] !== undefined) return isIP(match[1]) === 6 ? match[1] : undefined;
  return match[2]?.toLowerCase().replace(/\.$/, '');
}
