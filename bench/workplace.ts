import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';

/** The core of the proxy under test, and the one of load and backend. */
export const CORES = cpus().length > 1 ? { proxy: 1, load: 0 } : { proxy: 0, load: 0 };

/** A certificate for `localhost` and its key. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Makes a folder of this run that workers under another user can read, and removes it when the process ends. */
export function makeWorkplace(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sallyport-bench-'));
  chmodSync(folder, 0o755);
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Makes a folder in another one. */
export function makeSubfolder(folder: string, name: string): string {
  const made = path.join(folder, name);
  mkdirSync(made);
  chmodSync(made, 0o755);
  return made;
}

/** Makes a self-signed certificate in `folder`. */
export function makeCertificate(folder: string): Certificate {
  const certFile = path.join(folder, 'cert.pem');
  const keyFile = path.join(folder, 'key.pem');
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      ...subject,
    ].concat(['-keyout', keyFile, '-out', certFile]),
    { stdio: 'pipe' },
  );
  return { certFile, keyFile };
}

/** Writes a file of `folder` and returns its path. */
export function writeInto(folder: string, name: string, content: string | Uint8Array): string {
  const file = path.join(folder, name);
  writeFileSync(file, content);
  return file;
}
