/** The reason of a `GW_RESOURCES_EXHAUSTED` of which no byte was sent. */
export const NO_CONNECTION = 'no connection';

/** What the system says where this machine or process has run out of something, whoever is connected to. */
const CODES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM']);

/**
 * Tells whether a connection failed for want of descriptors, ports or memory of our own, which says nothing about the
 * other side. Of several addresses that were tried all must have.
 */
export function isOwnFault(error: unknown): boolean {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.every(isOwnFault);
  const { code } = Object(error) as { code?: unknown };
  return typeof code === 'string' && CODES.has(code);
}
