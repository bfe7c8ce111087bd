import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { readBytes } from '../core/disk/read-bytes.ts';
import { SECURE_OPTIONS } from '../core/tls-options.ts';

/** One certificate as the configuration names it. */
export interface CertificateFiles {
  /** PEM: the server's certificate first, then the intermediates. */
  readonly certFile: string;
  /** PEM: its private key, not encrypted. */
  readonly keyFile: string;
}

export type TlsVersion = '1.2' | '1.3';

export interface CertificateOptions {
  /** Lowest TLS version taken. */
  readonly minVersion: TlsVersion;
  /** Milliseconds since 1970, for warnings about certificates that ended. */
  readonly now: number;
  /** Asks clients for certificates. */
  readonly clientCertificates?: ClientCertificateOptions | undefined;
}

export interface ClientCertificateOptions {
  /** PEM: the authorities whose certificates are accepted; all others are rejected. */
  readonly caFile: string;
  /** How policies name these authorities. */
  readonly name?: string | undefined;
  /** Whether a client without one is turned away. */
  readonly required: boolean;
}

/** Certificates by the host names they are for. Never changes; replaced files make a new store. */
export interface CertificateStore {
  readonly files: readonly CertificateFiles[];
  readonly minVersion: TlsVersion;
  /** How clients are asked for certificates, `undefined` where they are not. */
  readonly clientCertificates: ClientCertificateOptions | undefined;
  /** Changes whenever other certificates of clients are taken, or for another name. */
  readonly clientKey: string;
  /** Changes whenever one of the files does. */
  readonly contentKey: string;
  /** What is amiss though usable, a sentence each. */
  readonly warnings: readonly string[];
  /** What a TLS server needs to answer clients that ask for no name or an unknown one. */
  readonly defaultOptions: SecureContextOptions;
  /** Finds the certificate for a name asked for: an exact one, else a wildcard for its first label, else the first. */
  contextFor(serverName: string | undefined): SecureContext;
}

/** Says which certificate files cannot be used, and why. */
export class CertificateError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'CertificateError';
    this.problems = problems;
  }
}

/**
 * Mozilla's intermediate ciphers without the DHE suites: every client since 2013 has ECDHE, and DHE lets a client
 * make handshakes dear for the server (CVE-2002-20001).
 */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** The same for the default and every named context: OpenSSL resumes a session only within one id context. */
const SESSION_ID_CONTEXT = 'sallyport';

/**
 * Reads certificates and keys and checks that they belong together.
 * Rejects with a `CertificateError` that holds all problems.
 */
export async function loadCertificates(
  files: readonly CertificateFiles[],
  options: CertificateOptions,
): Promise<CertificateStore> {
  const read = await readCertificateFiles(files, options.clientCertificates);
  return buildCertificateStore(read, options);
}

/** The bytes of certificate files, and a key that changes whenever they do. */
export interface CertificateContents {
  readonly pairs: readonly (CertificateFiles & { readonly cert: Buffer; readonly key: Buffer })[];
  /** The authorities of clients' certificates. */
  readonly clientCa: Buffer | undefined;
  readonly contentKey: string;
}

/** Reads the bytes of every file. Rejects with a `CertificateError` that holds all problems. */
export async function readCertificateFiles(
  files: readonly CertificateFiles[],
  clientCertificates: ClientCertificateOptions | undefined,
): Promise<CertificateContents> {
  const problems: string[] = [];
  const hash = createHash('sha256');
  const pairs = await Promise.all(
    files.map(async (pair) => {
      const cert = await readPem(pair.certFile, problems);
      const key = await readPem(pair.keyFile, problems);
      return { ...pair, cert, key };
    }),
  );
  const clientCa = clientCertificates && (await readPem(clientCertificates.caFile, problems));
  if (problems.length > 0) throw new CertificateError(problems);
  if (clientCa !== undefined) hash.update(`ca:${clientCa.length}:`).update(clientCa);
  for (const { cert, key } of pairs) {
    for (const bytes of [cert, key]) hash.update(`${bytes.length}:`).update(bytes);
  }
  return { pairs, clientCa, contentKey: hash.digest('hex') };
}

/** Builds a store of what was read. Throws a `CertificateError` that holds all problems. */
export function buildCertificateStore(
  contents: CertificateContents,
  options: CertificateOptions,
): CertificateStore {
  const problems: string[] = [];
  const warnings: string[] = [];
  const exact = new Map<string, SecureContext>();
  const wildcard = new Map<string, SecureContext>();
  const client = clientSettings(contents.clientCa, options.clientCertificates, problems);
  const settings = contents.pairs.map((pair) => {
    const certificate = checkPair(pair, problems);
    if (!certificate) return undefined;
    warnings.push(...validityWarnings(pair.certFile, certificate, options.now));
    const setting = { ...contextOptions(pair, options.minVersion), ...client };
    const context = createSecureContext(setting);
    for (const name of hostNamesOf(certificate)) {
      const [names, key] = name.startsWith('*.') ? [wildcard, name.slice(2)] : [exact, name];
      if (!names.has(key)) names.set(key, context);
    }
    return { setting, context };
  });
  const first = settings[0];
  if (problems.length > 0 || !first) throw new CertificateError(problems);
  return {
    files: contents.pairs.map(({ certFile, keyFile }) => ({ certFile, keyFile })),
    minVersion: options.minVersion,
    clientCertificates: options.clientCertificates,
    clientKey: `${options.clientCertificates?.name} ${client.sessionIdContext}`,
    contentKey: contents.contentKey,
    warnings,
    defaultOptions: first.setting,
    contextFor(serverName) {
      const name = plainName(serverName ?? '');
      return exact.get(name) ?? wildcard.get(parentOf(name)) ?? first.context;
    },
  };
}

/**
 * Lists the host names that a certificate is for, in lower case, `*.` in front of a wildcard. The common name counts
 * only where no subject alternative name is (RFC 6125 §6.4.4).
 */
export function hostNamesOf(certificate: X509Certificate): string[] {
  if (certificate.subjectAltName !== undefined) {
    const alternatives = certificate.subjectAltName.split(', ');
    return alternatives.filter((entry) => entry.startsWith('DNS:')).map((entry) => plainName(entry.slice(4)));
  }
  const commonName = /^CN=(.+)$/m.exec(certificate.subject)?.[1];
  return commonName === undefined ? [] : [plainName(commonName)];
}

/** A wildcard stands for exactly one label (RFC 6125 §6.4.3). */
function parentOf(name: string): string {
  const dot = name.indexOf('.');
  return dot < 0 ? '' : name.slice(dot + 1);
}

/** Names match whatever their case and with or without the dot that may close a full one. */
function plainName(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

function contextOptions(pair: { cert: Buffer; key: Buffer }, minVersion: TlsVersion): SecureContextOptions {
  return {
    cert: pair.cert,
    key: pair.key,
    minVersion: `TLSv${minVersion}`,
    maxVersion: 'TLSv1.3',
    ciphers: CIPHERS,
    // Every one of them is good, so the client may take what its hardware is fast at.
    honorCipherOrder: false,
    sessionIdContext: SESSION_ID_CONTEXT,
    secureOptions: SECURE_OPTIONS,
  };
}

/**
 * A session is resumed without another look at the client, so the id context tells whose authorities it was begun
 * under: not those of another port, nor those that were replaced meanwhile.
 */
function clientSettings(
  ca: Buffer | undefined,
  options: ClientCertificateOptions | undefined,
  problems: string[],
): SecureContextOptions {
  if (ca === undefined || options === undefined) return {};
  try {
    if (!new X509Certificate(ca).ca) throw new Error('it is not that of an authority');
    createSecureContext({ ca });
  } catch (error) {
    const remedy = 'write the certificates of your authorities as PEM';
    problems.push(`${options.caFile}: holds no readable authority (${messageOf(error)}) — ${remedy}`);
  }
  const sessionIdContext = createHash('sha256')
    .update(`${options.required}`)
    .update(ca)
    .digest('hex')
    .slice(0, 32);
  return { ca, sessionIdContext };
}

function checkPair(
  pair: CertificateFiles & { cert: Buffer; key: Buffer },
  problems: string[],
): X509Certificate | undefined {
  const certificate = parseCertificate(pair, problems);
  const key = parseKey(pair, problems);
  if (!certificate || !key) return undefined;
  if (certificate.checkPrivateKey(key)) return certificate;
  problems.push(
    `${pair.keyFile}: is not the key of the first certificate in ${pair.certFile} — name the key that belongs to it, and put the server's own certificate before the intermediates`,
  );
  return undefined;
}

function parseCertificate(
  pair: CertificateFiles & { cert: Buffer },
  problems: string[],
): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(pair.cert);
    // Reads what follows the first certificate too, so that a broken chain is found here.
    createSecureContext({ cert: pair.cert });
    return certificate;
  } catch (error) {
    const remedy = 'write it as PEM, from -----BEGIN CERTIFICATE----- on, the chain behind it';
    problems.push(`${pair.certFile}: holds no readable certificate (${messageOf(error)}) — ${remedy}`);
    return undefined;
  }
}

function parseKey(pair: CertificateFiles & { key: Buffer }, problems: string[]): KeyObject | undefined {
  try {
    return createPrivateKey(pair.key);
  } catch (error) {
    const isEncrypted = pair.key.includes('ENCRYPTED');
    const reason = isEncrypted ? 'is encrypted' : `holds no readable private key (${messageOf(error)})`;
    const remedy = isEncrypted
      ? `take the passphrase off: openssl pkey -in ${pair.keyFile} -out FILE`
      : 'write it as PEM, from -----BEGIN PRIVATE KEY----- on';
    problems.push(`${pair.keyFile}: ${reason} — ${remedy}`);
    return undefined;
  }
}

function validityWarnings(certFile: string, certificate: X509Certificate, now: number): string[] {
  const { validFromDate, validToDate } = certificate;
  if (validToDate.getTime() < now)
    return [`${certFile}: ended on ${validToDate.toISOString()} — clients will reject it; renew it`];
  if (validFromDate.getTime() > now)
    return [
      `${certFile}: begins only on ${validFromDate.toISOString()} — clients will reject it until then; check the clock`,
    ];
  return [];
}

async function readPem(file: string, problems: string[]): Promise<Buffer> {
  try {
    return await readBytes(file);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const reason = isMissing ? 'does not exist' : `cannot be read (${messageOf(error)})`;
    const remedy = isMissing ? 'check the path' : 'let the user that runs the gateway read it';
    problems.push(`${file}: ${reason} — ${remedy}`);
    return Buffer.alloc(0);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
