/** A fault of Node that is mended in a later release of the same line. */
export interface NodeFault {
  readonly id: string;
  readonly what: string;
}

/** What was mended in which release of Node 24, the oldest first. */
const FIXES: readonly (NodeFault & { readonly minor: number; readonly patch: number })[] = [
  {
    minor: 14,
    patch: 1,
    id: 'CVE-2026-21637',
    what: 'an error while a certificate is chosen ends the process',
  },
  {
    minor: 17,
    patch: 0,
    id: 'CVE-2026-48928',
    what: 'certificates are chosen with regard to the case of names',
  },
  { minor: 18, patch: 1, id: 'CVE-2026-58040', what: 'TLS sessions can be resumed across identities' },
  { minor: 18, patch: 1, id: 'CVE-2026-48934', what: 'TLS sessions can be resumed across identities' },
  { minor: 18, patch: 1, id: 'CVE-2026-56846', what: 'HTTP/2' },
  { minor: 18, patch: 1, id: 'CVE-2026-56848', what: 'HTTP/2' },
];

/** The release of Node 24 from which on none of these is known. */
export const FIRST_SOUND_NODE = '24.18.1';

/**
 * Says what is known against a version of Node, for operators; nothing where that is nothing. Of older lines it is not
 * known here which release has which fix.
 */
export function explainNodeFaults(version: string): string | undefined {
  const [major = 0] = version.split('.').map(Number);
  if (major < 24)
    return `Node ${version} is of an older line, which may lack the fixes to TLS and HTTP/2 that ${FIRST_SOUND_NODE} has`;
  const ids = findNodeFaults(version).map(({ id }) => id);
  return ids.length === 0 ? undefined : `Node ${version} lacks fixes to TLS and HTTP/2: ${ids.join(', ')}`;
}

/** Finds the faults of a release of Node 24 that later ones have not. */
export function findNodeFaults(version: string): readonly NodeFault[] {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  if (major !== 24) return [];
  return FIXES.filter((fix) => minor < fix.minor || (minor === fix.minor && patch < fix.patch));
}
