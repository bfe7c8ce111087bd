import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:tls';
import type { CertificateStore } from './certificates.ts';

const HANDSHAKE_TIMEOUT_MS = 10_000;

/** What of TLS changes while a port is open. */
export interface TlsState {
  certificates: CertificateStore;
}

export interface HandshakerOptions {
  /** Milliseconds that a client may take. Default: 10,000. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** 48 bytes that TLS tickets are made with. Default: some that nobody else knows. */
  readonly ticketKeys?: Buffer | undefined;
}

/** Makes what shakes hands. It has no port of its own. */
export function createHandshaker(options: HandshakerOptions, tls: TlsState): Server {
  const { clientCertificates } = tls.certificates;
  return createServer({
    ...tls.certificates.defaultOptions,
    SNICallback: (name, done) => done(null, tls.certificates.contextFor(name)),
    ALPNProtocols: ['http/1.1', 'http/1.0'],
    requestCert: clientCertificates !== undefined,
    // A certificate that was not verified counts as none; a policy may accept the request nevertheless.
    rejectUnauthorized: clientCertificates?.required === true,
    handshakeTimeout: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
    // The server keeps them when certificates are replaced, so that clients still resume their sessions.
    ticketKeys: options.ticketKeys ?? randomBytes(48),
  });
}
