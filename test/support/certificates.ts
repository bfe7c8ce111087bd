import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LOOPBACK } from './loopback.ts';

const run = promisify(execFile);

/** What a certificate made for tests says. */
export interface CertificateRequest {
  /** DNS names and addresses for the subject alternative name. Default: `localhost` and the addresses of the loopback. */
  readonly names?: readonly string[];
  /** The subject's common name. Default: the first of `names`. */
  readonly commonName?: string;
  /** Leaves the subject alternative name out, as old certificates do. */
  readonly withoutNames?: boolean;
  /** Makes the certificate end yesterday. */
  readonly expired?: boolean;
  /** Makes a certificate for a client instead of a server. */
  readonly client?: boolean;
}

/** A certificate and its key, as files and as PEM text. */
export interface TestCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority that signs what tests ask for. */
export interface TestAuthority extends TestCertificate {
  /** Signs a certificate. The same request gives the same certificate within one test file, unless `fresh`. */
  issue(request?: CertificateRequest & { readonly fresh?: boolean }): Promise<TestCertificate>;
}

let folder: string | undefined;
let serial = 0;
const authorities = new Map<string, Promise<TestAuthority>>();

/** Makes a certificate authority with EC keys, once per name and test file; its files go when the process ends. */
export function makeCertificates(name = 'Test CA'): Promise<TestAuthority> {
  const made = authorities.get(name) ?? makeAuthority(name);
  authorities.set(name, made);
  return made;
}

async function makeAuthority(name: string): Promise<TestAuthority> {
  const authority = await writeCertificate(subject(name), 1000, [
    ['-addext', 'basicConstraints=critical,CA:TRUE'],
    ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  ]);
  const issued = new Map<string, Promise<TestCertificate>>();
  return {
    ...authority,
    issue({ fresh = false, ...request } = {}) {
      const wanted = JSON.stringify(request);
      const made = (fresh ? undefined : issued.get(wanted)) ?? issueLeaf(authority, request);
      issued.set(wanted, made);
      return made;
    },
  };
}

async function issueLeaf(authority: TestCertificate, request: CertificateRequest): Promise<TestCertificate> {
  const names = request.names ?? ['localhost', LOOPBACK, '127.0.0.1', '::1'];
  const alternatives = names.map((name) => `${isIP(name) ? 'IP' : 'DNS'}:${name}`).join(',');
  const extensions = [
    ['-CA', authority.certFile, '-CAkey', authority.keyFile],
    ['-addext', 'basicConstraints=critical,CA:FALSE'],
    ['-addext', `extendedKeyUsage=${request.client ? 'clientAuth' : 'serverAuth'}`],
  ];
  if (!request.withoutNames) extensions.push(['-addext', `subjectAltName=${alternatives}`]);
  const files = await writeCertificate(subject(request.commonName ?? names[0] ?? ''), 365, extensions);
  return request.expired ? expire(authority, files) : files;
}

/** Signs a certificate again so that it ended yesterday, which `openssl req` refuses to write. */
async function expire(authority: TestCertificate, leaf: TestCertificate): Promise<TestCertificate> {
  const request = `${leaf.certFile}.csr`;
  const copy = ['-copy_extensions', 'copyall'];
  await run('openssl', [
    'x509',
    '-x509toreq',
    '-in',
    leaf.certFile,
    '-key',
    leaf.keyFile,
    '-out',
    request,
    ...copy,
  ]);
  const signing = ['-CA', authority.certFile, '-CAkey', authority.keyFile, '-set_serial', String(++serial)];
  await run('openssl', [
    'x509',
    '-req',
    '-in',
    request,
    '-out',
    leaf.certFile,
    '-days',
    '-1',
    ...copy,
    ...signing,
  ]);
  return { ...leaf, cert: await readFile(leaf.certFile, 'utf8') };
}

/** The configuration is empty on purpose: the machine's own adds extensions that differ between systems. */
async function writeCertificate(
  subjectName: string,
  days: number,
  extensions: readonly (readonly string[])[],
): Promise<TestCertificate> {
  const base = join(temporaryFolder(), String(serial++));
  const files = { certFile: `${base}.pem`, keyFile: `${base}.key` };
  const config = `${base}.cnf`;
  await writeFile(config, '[req]\ndistinguished_name = dn\n[dn]\n');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', files.keyFile];
  const certificate = ['-x509', '-config', config, '-subj', subjectName, '-out', files.certFile];
  await run('openssl', ['req', ...key, ...certificate, '-days', String(days), ...extensions.flat()]);
  const [cert, keyText] = await Promise.all([
    readFile(files.certFile, 'utf8'),
    readFile(files.keyFile, 'utf8'),
  ]);
  return { ...files, cert, key: keyText };
}

function subject(commonName: string): string {
  return `/CN=${commonName.replaceAll('/', '\\/')}`;
}

function temporaryFolder(): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'sallyport-certificates-'));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  return folder;
}
