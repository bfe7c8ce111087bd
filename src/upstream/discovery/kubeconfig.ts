import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { type ClusterAccess, readAccessFile } from './cluster-access.ts';

/**
 * Reads the access that the current context of a kubeconfig file gives. To be read anew for every call, since tokens
 * and certificates in the files that it names are replaced.
 */
export async function readKubeconfig(file: string): Promise<ClusterAccess> {
  const text = await readAccessFile(file);
  const reject = (problem: string): Error => new Error(`${file}: ${problem}`);
  const parsed = kubeconfigSchema().safeParse(parseText(text, reject));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw reject(`${issue?.path.join('.')}: ${issue?.message} — correct the kubeconfig`);
  }
  const config = parsed.data;
  const find = <Entry extends { readonly name: string }>(
    list: readonly Entry[],
    kind: string,
    name: string,
  ): Entry => {
    const found = list.find((entry) => entry.name === name);
    if (found === undefined) throw reject(`has no ${kind} '${name}' — correct current-context`);
    return found;
  };
  const { context } = find(config.contexts, 'context', config['current-context']);
  const { cluster } = find(config.clusters, 'cluster', context.cluster);
  const { user } = find(config.users, 'user', context.user);
  if (user.exec !== undefined || user['auth-provider'] !== undefined) {
    throw reject('its user runs a program to log in — use a token or a client certificate');
  }
  if (cluster['proxy-url'] !== undefined) throw reject('proxy-url is not supported — take it out');
  return readAccess(cluster, user, dirname(file));
}

type Kubeconfig = z.output<ReturnType<typeof kubeconfigSchema>>;
type Cluster = Kubeconfig['clusters'][number]['cluster'];
type User = Kubeconfig['users'][number]['user'];

async function readAccess(cluster: Cluster, user: User, folder: string): Promise<ClusterAccess> {
  const read = async (data: string | undefined, file: string | undefined): Promise<string | undefined> => {
    if (data !== undefined) return Buffer.from(data, 'base64').toString();
    // Paths in a kubeconfig are found from its own folder.
    return file === undefined ? undefined : await readAccessFile(resolve(folder, file));
  };
  const [ca, cert, key, fileToken] = await Promise.all([
    read(cluster['certificate-authority-data'], cluster['certificate-authority']),
    read(user['client-certificate-data'], user['client-certificate']),
    read(user['client-key-data'], user['client-key']),
    read(undefined, user.tokenFile),
  ]);
  const servername = cluster['tls-server-name'];
  return {
    server: new URL(cluster.server),
    // As kubectl does: the file wins.
    token: fileToken?.trim() ?? user.token,
    tls: {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(servername !== undefined && { servername }),
      rejectUnauthorized: cluster['insecure-skip-tls-verify'] !== true,
    },
  };
}

function parseText(text: string, reject: (problem: string) => Error): unknown {
  try {
    return parse(text);
  } catch {
    // The reader's own words would quote the line, which may hold a token.
    throw reject('is not valid YAML — correct it');
  }
}

/** Only what is used; a kubeconfig may hold more. */
function kubeconfigSchema() {
  const optional = z.string().optional();
  const cluster = z.object({
    server: z.url({ protocol: /^https?$/ }),
    'certificate-authority-data': optional,
    'certificate-authority': optional,
    'tls-server-name': optional,
    'insecure-skip-tls-verify': z.boolean().optional(),
    'proxy-url': optional,
  });
  const user = z.object({
    token: optional,
    tokenFile: optional,
    'client-certificate-data': optional,
    'client-certificate': optional,
    'client-key-data': optional,
    'client-key': optional,
    exec: z.unknown().optional(),
    'auth-provider': z.unknown().optional(),
  });
  const name = z.string();
  return z.object({
    'current-context': name,
    contexts: z.array(z.object({ name, context: z.object({ cluster: name, user: name }) })),
    clusters: z.array(z.object({ name, cluster })),
    users: z.array(z.object({ name, user })),
  });
}
