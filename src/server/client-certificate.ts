import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { ClientCertificate } from '../core/message.ts';

/**
 * Reads the certificate that a client showed and that was verified against `authority`, once a connection. `authorized` alone does not say
 * that there is one: Node also says so of a TLS 1.3 session that was resumed without any.
 */
export function readClientCertificate(socket: TLSSocket, authority?: string): ClientCertificate | undefined {
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? undefined : describeCertificate(certificate, authority);
}

/** Says what policies may know of a certificate. */
export function describeCertificate(certificate: X509Certificate, authority?: string): ClientCertificate {
  const names = readAlternativeNames(certificate.subjectAltName);
  const commonName = certificate.toLegacyObject().subject?.CN as string | string[] | undefined;
  return {
    authority,
    // One that stands twice could be read as either.
    commonName: typeof commonName === 'string' ? commonName : undefined,
    dnsNames: names.get('DNS') ?? [],
    uris: names.get('URI') ?? [],
    emails: names.get('email') ?? [],
    issuer: certificate.issuer,
    serialNumber: certificate.serialNumber,
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    validFrom: certificate.validFromDate.getTime(),
    validTo: certificate.validToDate.getTime(),
  };
}

const NAME = /([A-Za-z0-9 ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;

/**
 * Reads Node's text of the subject alternative name, in which a name with a comma or the like is a JSON text. What is
 * not understood as a whole is nothing at all, so that no part of a name passes for a name.
 */
function readAlternativeNames(text = ''): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  NAME.lastIndex = 0;
  while (NAME.lastIndex < text.length) {
    const [, kind = '', value = ''] = NAME.exec(text) ?? [];
    if (kind === '') return new Map();
    const name = value.startsWith('"') ? (JSON.parse(value) as string) : value;
    names.set(kind, [...(names.get(kind) ?? []), name]);
  }
  return names;
}
