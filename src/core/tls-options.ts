import { constants } from 'node:crypto';

/**
 * `secureOptions` of every TLS connection, both ways. A second handshake within a connection (TLS 1.2) costs whoever
 * asks for it nothing, and what came before it is not from the same peer for sure (CVE-2009-3555).
 */
export const SECURE_OPTIONS: number = constants.SSL_OP_NO_RENEGOTIATION;
