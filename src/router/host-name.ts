/**
 * Gives the host name of `authority` as routes are matched: lower case, without port and without the dot that may
 * close a full name, so that no spelling of a host escapes its routes.
 */
export function hostNameOf(authority: string): string {
  if (authority === lastAuthority) return lastName;
  lastName = readHostName(authority);
  lastAuthority = authority;
  return lastName;
}

/** Most requests name the host that the one before named. */
let lastAuthority = '';
let lastName = '';

function readHostName(authority: string): string {
  const portAt = authority.lastIndexOf(':');
  const isPort = portAt > authority.lastIndexOf(']');
  const name = (isPort ? authority.slice(0, portAt) : authority).toLowerCase();
  return name.endsWith('.') ? name.slice(0, -1) : name;
}
