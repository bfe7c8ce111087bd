import { z } from 'zod';
import { text } from '../config/schema/scalars.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { Identification, Identifier } from '../core/identity/identifier.ts';
import { defineIdentifyingPolicy } from '../core/identity/identify.ts';
import type { Identity } from '../core/identity/identity.ts';
import { sealIdentity } from '../core/identity/seal-identity.ts';
import type { ClientCertificate } from '../core/message.ts';
import { compileOrigins } from './cors/origin-pattern.ts';
import { onward } from './credentials/onward.ts';
import { pageOrigins } from './credentials/page-origins.ts';
import { realm } from './credentials/realm.ts';

/** Asks for a certificate of an authority named in the listener's `tls.clientCertificates` (mutual TLS). */
export const clientCertificate = defineIdentifyingPolicy({
  name: 'client-certificate',
  summary: "Asks for a client's certificate, which the listener has verified (mutual TLS).",
  options: z.strictObject({
    subject: z
      .enum(['common-name', 'dns', 'uri', 'email', 'fingerprint'])
      .prefault('common-name')
      .describe(
        'What of the certificate names the caller; of `dns`, `uri` and `email` there must be exactly one.',
      ),
    authority: text()
      .optional()
      .describe(
        'Whose certificates are taken: the `name` of `clientCertificates` of a listener. Certificates of other authorities do not count. Needed where listeners have different authorities.',
      ),
    clients: z
      .record(text(), client())
      .refine((clients) => Object.keys(clients).length > 0, {
        error: 'is empty, so that no caller could pass — name a client, or leave `clients` out for all',
      })
      .optional()
      .describe('Who may come in, by subject; left out: everyone with a good certificate, without roles.'),
    origins: pageOrigins('a certificate that the browser shows'),
    forward: onward(),
    realm: realm(),
    optional: z
      .boolean()
      .prefault(false)
      .describe(
        'Lets requests without a certificate pass as those of an anonymous caller. A wrong one is rejected.',
      ),
  }),
  createIdentifier: (options, { clock }) => new CertificateIdentifier(options, clock),
});

type Client = z.output<ReturnType<typeof client>>;

function client() {
  return z.strictObject({
    roles: z.array(text()).prefault([]).describe('Roles that the client has.'),
    permissions: z.array(text()).prefault([]).describe('Permissions that the client has.'),
    plan: text().optional().describe('Plan that the client is on, for limits.'),
  });
}

interface CertificateOptions {
  readonly subject: 'common-name' | 'dns' | 'uri' | 'email' | 'fingerprint';
  readonly authority?: string | undefined;
  readonly clients?: Readonly<Record<string, Client>> | undefined;
  readonly origins: readonly string[];
  readonly realm: string;
  readonly optional: boolean;
}

const NO_RIGHTS: Client = { roles: [], permissions: [] };

class CertificateIdentifier implements Identifier {
  readonly challenge: string;
  readonly isOptional: boolean;
  readonly admitsOrigin: (origin: string) => boolean;
  private readonly subject: CertificateOptions['subject'];
  private readonly authority: string | undefined;
  private readonly clients: ReadonlyMap<string, Client> | undefined;
  private readonly clock: Clock;
  /** A connection has one certificate for all its requests. */
  private readonly known = new WeakMap<ClientCertificate, Identity | GatewayError>();
  private readonly failures: Readonly<Record<'unnamed' | 'unknown' | 'expired', GatewayError>>;

  constructor({ subject, authority, clients, origins, realm, optional }: CertificateOptions, clock: Clock) {
    this.admitsOrigin = compileOrigins(origins);
    this.challenge = `ClientCertificate realm="${realm}"`;
    this.isOptional = optional;
    this.subject = subject;
    this.authority = authority;
    this.clients = clients && new Map(Object.entries(clients));
    this.clock = clock;
    const headers = { 'www-authenticate': this.challenge };
    const invalid = (reason: string) => new GatewayError('GW_CREDENTIALS_INVALID', { headers, reason });
    this.failures = { unnamed: invalid('unnamed'), unknown: invalid('unknown'), expired: invalid('expired') };
  }

  identify({ request }: Exchange): Identification {
    const { certificate } = request.client;
    if (certificate === undefined) return undefined;
    // Of other authorities the same name may be somebody else.
    if (this.authority !== undefined && certificate.authority !== this.authority) return undefined;
    // Verified when the connection, or the session that it resumes, began: it may have ended since.
    const now = this.clock.now();
    if (now > certificate.validTo || now < certificate.validFrom) return this.failures.expired;
    let outcome = this.known.get(certificate);
    if (outcome === undefined) {
      outcome = this.judge(certificate);
      this.known.set(certificate, outcome);
    }
    return outcome;
  }

  isAmbient({ request }: Exchange): boolean {
    return request.client.certificate !== undefined;
  }

  /** A certificate belongs to the connection, which goes no further. */
  dropCredential(): void {}

  private judge(certificate: ClientCertificate): Identity | GatewayError {
    const subject = subjectOf(certificate, this.subject);
    if (subject === undefined || subject === '') return this.failures.unnamed;
    const rights = this.clients === undefined ? NO_RIGHTS : this.clients.get(subject);
    if (rights === undefined) return this.failures.unknown;
    const { roles, permissions, plan } = rights;
    const expiresAt = certificate.validTo / 1000;
    const claims = claimsOf(certificate);
    return sealIdentity({ subject, roles, permissions, claims, plan, expiresAt }, 'client-certificate');
  }
}

/** What could be one of several is none. */
function subjectOf(certificate: ClientCertificate, kind: CertificateOptions['subject']): string | undefined {
  const only = (names: readonly string[]) => (names.length === 1 ? names[0] : undefined);
  switch (kind) {
    case 'common-name':
      return certificate.commonName;
    case 'dns':
      return only(certificate.dnsNames);
    case 'uri':
      return only(certificate.uris);
    case 'email':
      return only(certificate.emails);
    case 'fingerprint':
      return certificate.fingerprint;
  }
}

function claimsOf(certificate: ClientCertificate): Readonly<Record<string, unknown>> {
  const { commonName, dnsNames, uris, emails, issuer, serialNumber, fingerprint } = certificate;
  const claims = { dnsNames, uris, emails, issuer, serialNumber, fingerprint };
  return commonName === undefined ? claims : { ...claims, commonName };
}
