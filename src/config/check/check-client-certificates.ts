import { asFields, asList, type Fields, type Findings } from '../findings.ts';
import type { ConfigPath } from '../problem.ts';
import { suggest } from '../suggest.ts';

/** A use of the policy `client-certificate`, in a list or within `any`. */
interface CertificateUse {
  readonly options: Fields;
  /** Of the entry. */
  readonly path: ConfigPath;
  /** Of a setting within it. */
  readonly optionsPath: ConfigPath;
}

interface Asking {
  /** The name of its authorities, `undefined` where it has none. */
  readonly name: unknown;
  readonly caFile: unknown;
  readonly path: ConfigPath;
}

const POLICY = 'client-certificate';

/**
 * Checks that a certificate counts only where its authority is meant: the same subject may be two parties with two of
 * them.
 *
 * 1. A listener asks for what policies want.
 * 2. A name is that of one file.
 * 3. Where there are several authorities, each policy says which one it means.
 */
export function checkClientCertificates(gateway: Fields, findings: Findings): void {
  const uses = [
    ...findUses(gateway.policies, ['policies']),
    ...asList(gateway.routes).flatMap((route, i) =>
      findUses(asFields(route).policies, ['routes', i, 'policies']),
    ),
  ];
  const asking = findRequestingListeners(gateway.listeners);
  // 1.
  if (asking.length === 0) {
    for (const { path } of uses)
      findings.reject(
        path,
        'wants certificates, but no listener asks clients for them — add clientCertificates to the tls of a listener',
      );
    return;
  }
  // 2.
  checkNames(asking, findings);
  // 3.
  const names = new Set(asking.map(({ name }) => name).filter((name) => typeof name === 'string'));
  const hasSeveral = new Set(asking.map(({ name, caFile }) => JSON.stringify([name, caFile]))).size > 1;
  for (const use of uses) checkUse(use, names, hasSeveral, findings);
}

function checkNames(asking: readonly Asking[], findings: Findings): void {
  const files = new Map<unknown, unknown>();
  for (const { name, caFile, path } of asking) {
    if (typeof name !== 'string') continue;
    if (!files.has(name)) files.set(name, caFile);
    if (files.get(name) !== caFile)
      findings.reject(
        [...path, 'name'],
        'is the name of another caFile already — give each file a name of its own',
      );
  }
}

function checkUse(
  { options: { authority }, path, optionsPath }: CertificateUse,
  names: ReadonlySet<string>,
  hasSeveral: boolean,
  findings: Findings,
): void {
  if (authority === undefined) {
    if (hasSeveral)
      findings.reject(
        path,
        'takes the certificates of several authorities for one another, since listeners have different ones — give each clientCertificates a name, and write which one is meant: authority: NAME',
      );
    return;
  }
  if (typeof authority !== 'string' || names.has(authority)) return;
  const at = [...optionsPath, 'authority'];
  const close = suggest(authority, names);
  const remedy =
    close === undefined ? 'write it as name in clientCertificates of a listener' : `did you mean '${close}'?`;
  findings.reject(at, `there is no authority ${findings.quote(at, authority)} — ${remedy}`);
}

function findUses(list: unknown, path: ConfigPath): CertificateUse[] {
  return asList(list).flatMap((entry, i): CertificateUse[] => {
    const name = typeof entry === 'string' ? entry : Object.keys(asFields(entry))[0];
    const options = typeof entry === 'string' || name === undefined ? {} : asFields(entry)[name];
    if (name === 'any') return findUses(options, [...path, i, name]);
    if (name !== POLICY) return [];
    return [{ options: asFields(options), path: [...path, i], optionsPath: [...path, i, name] }];
  });
}

function findRequestingListeners(listeners: unknown): Asking[] {
  return asList(listeners).flatMap((listener, i): Asking[] => {
    const written = asFields(asFields(listener).tls).clientCertificates;
    if (written === undefined) return [];
    const { name, caFile } = asFields(written);
    return [{ name, caFile, path: ['listeners', i, 'tls', 'clientCertificates'] }];
  });
}
