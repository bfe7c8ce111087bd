import { formatPath, type Problem, splitRemedy } from '../config/problem.ts';
import type { GatewayConfig, ListenerConfig } from '../config/schema/schema.ts';
import { hideSecrets } from '../config/secrets.ts';
import { CertificateError, loadCertificates } from '../server/certificates.ts';

/** A good configuration, as it was loaded. */
export interface LoadedConfig {
  readonly config: GatewayConfig;
  /** The values that came out of references. */
  readonly secrets: readonly string[];
}

/** Loads the certificates of each listener as `start` does, and says which it would reject or warn of. */
export async function checkCertificates(
  file: string,
  { config, secrets }: LoadedConfig,
): Promise<{ problems: Problem[]; warnings: Problem[] }> {
  const found = await Promise.all(
    config.listeners.map(async (listener, i) => {
      const { problems, warnings } = await tryListener(listener);
      const place = (text: string) => problemOf(text, { file, listener, i, secrets: new Set(secrets) });
      return { problems: problems.map(place), warnings: warnings.map(place) };
    }),
  );
  return {
    problems: found.flatMap(({ problems }) => problems),
    warnings: found.flatMap(({ warnings }) => warnings),
  };
}

interface Words {
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

async function tryListener({ tls }: ListenerConfig): Promise<Words> {
  if (tls === undefined) return { problems: [], warnings: [] };
  const { certificates, minVersion, clientCertificates } = tls;
  try {
    const options = { minVersion, clientCertificates, now: Date.now() };
    const { warnings } = await loadCertificates(certificates, options);
    return { problems: [], warnings };
  } catch (error) {
    if (error instanceof CertificateError) return { problems: error.problems, warnings: [] };
    // OpenSSL has the last word, on keys that are too weak for one.
    const reason = error instanceof Error ? error.message : String(error);
    return { problems: [`cannot be used (${reason}) — write another certificate and key`], warnings: [] };
  }
}

interface Place {
  readonly file: string;
  readonly listener: ListenerConfig;
  readonly i: number;
  readonly secrets: ReadonlySet<string>;
}

/** Puts words that begin with a file's name to the setting that names the file. */
function problemOf(text: string, { file, listener, i, secrets }: Place): Problem {
  const named = namedFiles(listener);
  const at = named.find(({ name }) => text.startsWith(`${name}: `));
  const path = formatPath(['listeners', i, 'tls', ...(at?.path ?? ['certificates'])]);
  const { message, remedy = '' } = splitRemedy(text);
  const problem = hideSecrets({ path, file, message, remedy }, secrets);
  if (problem.message === message) return problem;
  // A folder may come out of a reference. What is wrong can be said without it.
  const nameless = named.reduce((words, { name, key }) => words.replaceAll(name, key), text);
  const words = splitRemedy(at === undefined ? nameless : nameless.slice(at.key.length + 2));
  return hideSecrets({ path, file, message: words.message, remedy: words.remedy ?? '' }, secrets);
}

function namedFiles({ tls }: ListenerConfig) {
  const pairs = (tls?.certificates ?? []).flatMap(({ certFile, keyFile }, j) => [
    { name: certFile, key: 'certFile', path: ['certificates', j, 'certFile'] },
    { name: keyFile, key: 'keyFile', path: ['certificates', j, 'keyFile'] },
  ]);
  const caFile = tls?.clientCertificates?.caFile;
  if (caFile === undefined) return pairs;
  return [...pairs, { name: caFile, key: 'caFile', path: ['clientCertificates', 'caFile'] }];
}
