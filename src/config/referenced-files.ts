import { resolve } from 'node:path';
import { codeOf } from './document.ts';
import { asFields, asList, type Fields } from './findings.ts';
import type { Finding } from './issue-problems.ts';
import type { ConfigPath } from './problem.ts';

/** Reports every file that a configuration names and that cannot be read. */
export async function checkFiles(
  data: unknown,
  folder: string,
  readFile: (path: string) => Promise<string>,
): Promise<Finding[]> {
  const findings = await Promise.all(
    namedFiles(asFields(data)).map(async ([path, file]): Promise<Finding[]> => {
      if (typeof file !== 'string' || file === '') return [];
      try {
        await readFile(resolve(folder, file));
        return [];
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

type NamedFile = readonly [path: ConfigPath, file: unknown];

function namedFiles(gateway: Fields): NamedFile[] {
  const certificates = asList(gateway.listeners).flatMap((listener, i) =>
    asList(asFields(asFields(listener).tls).certificates).flatMap((certificate, j) =>
      filesOf(certificate, ['listeners', i, 'tls', 'certificates', j], ['certFile', 'keyFile']),
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
  const redis = filesOf(asFields(gateway.redis).tls, ['redis', 'tls'], ['caFile', 'certFile', 'keyFile']);
  return [...certificates, ...upstreams, ...policies, ...redis];
}

function filesOf(owner: unknown, path: ConfigPath, keys: readonly string[]): NamedFile[] {
  return keys.map((key) => [[...path, key], asFields(owner)[key]] as const);
}
