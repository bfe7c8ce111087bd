import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { GatewayConfig } from '../../config/schema/schema.ts';
import type { Check, Findings } from './finding.ts';

const SOON_MS = 14 * 86_400_000;
const PEM = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** Looks at the end, the chain and the names of each listener's certificates. */
export function certificateChecks(config: GatewayConfig): Check[] {
  const hosts = [...new Set(config.routes.flatMap((route) => route.hosts ?? []))];
  return config.listeners.flatMap(({ port, tls }) => {
    if (tls === undefined) return [];
    const files = tls.certificates.map(({ certFile }) => certFile);
    const each = files.map((file) => ({
      check: 'certificate',
      subject: file,
      look: async (findings: Findings) => lookAtChain(await readChain(file), findings),
    }));
    const names: Check = {
      check: 'certificate',
      subject: `listener ${port}`,
      look: async (findings) =>
        lookAtNames(
          await Promise.all(files.map(async (file) => (await readChain(file))[0])),
          hosts,
          findings,
        ),
    };
    return hosts.length === 0 ? each : [...each, names];
  });
}

async function readChain(file: string): Promise<X509Certificate[]> {
  const text = await readFile(file, 'latin1');
  return [...text.matchAll(PEM)].map(([pem]) => new X509Certificate(pem));
}

function lookAtChain(chain: readonly X509Certificate[], findings: Findings): void {
  const now = Date.now();
  for (const { subject, validFrom, validTo } of chain) {
    const name = subject.replaceAll('\n', ', ');
    if (Date.parse(validTo) < now) findings.problem(`${name} ended on ${validTo}`, 'have it renewed');
    else if (Date.parse(validTo) - now < SOON_MS)
      findings.warn(`${name} ends on ${validTo}`, 'have it renewed');
    if (Date.parse(validFrom) > now)
      findings.problem(`${name} begins on ${validFrom}`, 'wait for it, or correct the clock of this machine');
  }
  const broken = chain.findIndex((each, i) => i > 0 && !isIssuedBy(chain[i - 1] as X509Certificate, each));
  if (broken > 0)
    findings.problem(
      `certificate ${broken + 1} of the file has not issued the one before it`,
      'write the server’s certificate first, then each intermediate behind what it has issued',
    );
  const [leaf] = chain;
  if (chain.length === 1 && leaf !== undefined && leaf.issuer !== leaf.subject)
    findings.warn(
      'the file holds no intermediate, which clients then may lack',
      'write the intermediates behind the certificate, unless the authority has none',
    );
  if (findings.found.length === 0) findings.ok(`good until ${leaf?.validTo}`);
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function lookAtNames(
  leaves: readonly (X509Certificate | undefined)[],
  hosts: readonly string[],
  findings: Findings,
): void {
  const covers = (host: string): boolean =>
    leaves.some((leaf) => leaf?.checkHost(host.replace(/^\*\./, 'any.')) !== undefined);
  const missing = hosts.filter((host) => !covers(host));
  if (missing.length === 0) return findings.ok('the certificates have the names of all routes');
  findings.warn(`no certificate has the name ${missing.join(', ')}`, 'add one for it to tls.certificates');
}
