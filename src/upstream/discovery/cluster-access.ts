import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { readTextFile } from '../../core/disk/read-text-file.ts';
import type { GetCall } from './http-get.ts';

/** Where a cluster's API server answers, and how to prove who asks. */
export interface ClusterAccess {
  readonly server: URL;
  readonly token: string | undefined;
  readonly tls: NonNullable<GetCall['tls']>;
}

/** What Kubernetes gives to every pod. */
export interface PodEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The folder in which the service account's token and the cluster's authority are mounted. */
  readonly folder: string;
}

/** The environment of this process. */
export function podEnvironment(): PodEnvironment {
  return { env: process.env, folder: '/var/run/secrets/kubernetes.io/serviceaccount' };
}

/** Reads the access that a pod has. To be read anew for every call, since the token is replaced within the hour. */
export async function readPodAccess({ env, folder }: PodEnvironment): Promise<ClusterAccess> {
  const host = env.KUBERNETES_SERVICE_HOST;
  const port = env.KUBERNETES_SERVICE_PORT ?? '443';
  if (host === undefined) {
    throw new Error('this is not a pod (KUBERNETES_SERVICE_HOST is not set) — set kubeconfig');
  }
  const [token, ca] = await Promise.all([
    readAccessFile(join(folder, 'token')),
    readAccessFile(join(folder, 'ca.crt')),
  ]);
  const server = new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`);
  return { server, token: token.trim(), tls: { ca } };
}

/** Reads one file of credentials. Rejects with a sentence that names it. */
export async function readAccessFile(file: string): Promise<string> {
  try {
    return await readTextFile(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`${file} cannot be read (${code}) — mount it, or correct who may read it`);
  }
}
