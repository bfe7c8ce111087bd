import { resolve } from 'node:path';
import { isCodeValue } from '../../core/user-code/code-value.ts';
import { codeOf } from '../document/document.ts';
import { asFields, asList, type Fields } from '../findings.ts';
import type { Finding } from '../issue-problems.ts';
import { findKeySetFault } from '../key-material/public-key.ts';
import { readFormerKey, readSigningKey } from '../key-material/signing-key.ts';
import { type ConfigPath, splitRemedy } from '../problem.ts';
import { findPublicKeyFault } from './check-auth-services.ts';

/** Reports every file that a configuration names and that cannot be read. */
export async function checkFiles(
  data: unknown,
  folder: string,
  readFile: (path: string) => Promise<string>,
): Promise<Finding[]> {
  const findings = await Promise.all(
    namedFiles(asFields(data)).map(async ([path, file, findFault]): Promise<Finding[]> => {
      if (typeof file !== 'string' || file === '' || isCodeValue(file)) return [];
      try {
        const text = await readFile(resolve(folder, file));
        const fault = findFault?.(text);
        if (fault === undefined) return [];
        const { message, remedy = '' } = splitRemedy(fault);
        return [{ path, message, remedy }];
      } catch (error) {
        const message = `names a file that cannot be read (${codeOf(error)})`;
        return [
          {
            path,
            message,
            remedy: "create it, or correct its name; it is found from the configuration's folder",
          },
        ];
      }
    }),
  );
  return findings.flat();
}

type NamedFile = readonly [path: ConfigPath, file: unknown, findFault?: FaultFinder];
/** Says what is wrong with the content, with the remedy behind ' — ', or nothing. */
type FaultFinder = (text: string) => string | undefined;

function namedFiles(gateway: Fields): NamedFile[] {
  const certificates = asList(gateway.listeners).flatMap((listener, i) =>
    asList(asFields(asFields(listener).tls).certificates).flatMap((certificate, j) =>
      filesOf(certificate, ['listeners', i, 'tls', 'certificates', j], ['certFile', 'keyFile']),
    ),
  );
  const clientCas = asList(gateway.listeners).flatMap((listener, i) =>
    filesOf(
      asFields(asFields(listener).tls).clientCertificates,
      ['listeners', i, 'tls', 'clientCertificates'],
      ['caFile'],
    ),
  );
  const upstreams = Object.entries(asFields(gateway.upstreams)).flatMap(([name, upstream]) => [
    ...filesOf(upstream, ['upstreams', name], ['app']),
    ...filesOf(asFields(upstream).tls, ['upstreams', name, 'tls'], ['caFile', 'certFile', 'keyFile']),
    ...filesOf(
      asFields(asFields(upstream).discovery).kubernetes,
      ['upstreams', name, 'discovery', 'kubernetes'],
      ['kubeconfig'],
    ),
  ]);
  const policies = filesOf(
    gateway.customPolicies,
    ['customPolicies'],
    Object.keys(asFields(gateway.customPolicies)),
  );
  const composers = asList(gateway.routes).flatMap((route, i) =>
    filesOf(asFields(route).aggregate, ['routes', i, 'aggregate'], ['compose']),
  );
  const redis = filesOf(asFields(gateway.redis).tls, ['redis', 'tls'], ['caFile', 'certFile', 'keyFile']);
  return [
    ...certificates,
    ...clientCas,
    ...upstreams,
    ...policies,
    ...redis,
    ...composers,
    ...authFiles(gateway),
    ...signingFiles(gateway),
  ];
}

function signingFiles(gateway: Fields): NamedFile[] {
  const { keyFile, formerKeyFiles } = asFields(gateway.internalTokens);
  const faultOf = (read: typeof readSigningKey) => (pem: string) => {
    const key = read(pem);
    return typeof key === 'string' ? key : undefined;
  };
  const former = asList(formerKeyFiles).map(
    (file, i): NamedFile => [['internalTokens', 'formerKeyFiles', i], file, faultOf(readFormerKey)],
  );
  return [[['internalTokens', 'keyFile'], keyFile, faultOf(readSigningKey)], ...former];
}

function authFiles(gateway: Fields): NamedFile[] {
  return Object.entries(asFields(gateway.authServices)).flatMap(([name, service]): NamedFile[] => {
    const { publicKeyFile, jwksFile, code, algorithms } = asFields(service);
    const path = ['authServices', name];
    const wanted = asList(algorithms).filter((algorithm) => typeof algorithm === 'string');
    return [
      [[...path, 'publicKeyFile'], publicKeyFile, (text) => findPublicKeyFault(text, wanted)],
      [[...path, 'jwksFile'], jwksFile, findKeySetFault],
      [[...path, 'code'], code],
    ];
  });
}

function filesOf(owner: unknown, path: ConfigPath, keys: readonly string[]): NamedFile[] {
  return keys.map((key) => [[...path, key], asFields(owner)[key]] as const);
}
