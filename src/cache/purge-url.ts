const DEFAULT_PORT = /(?::(?:80|443)?)$/;

/**
 * Writes an authority as URLs to purge have it: in small letters, without the port that goes without saying. One that is
 * spelled in two ways is purged in both.
 */
export function purgeAuthority(authority: string): string {
  return authority.toLowerCase().replace(DEFAULT_PORT, '');
}
