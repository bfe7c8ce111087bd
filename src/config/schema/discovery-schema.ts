import { Resolver } from 'node:dns';
import { z } from 'zod';
import { duration, text } from './scalars.ts';

export type DiscoveryConfig = z.output<ReturnType<typeof discoverySchema>>;

const KINDS = ['dns', 'kubernetes', 'consul', 'file'] as const;

/** Makes the schema of an upstream's `discovery`. `file` is the schema of a file's path. */
export function discoverySchema(file: () => z.ZodType<string, string>) {
  const targetFile = file()
    .refine((path) => /\.(json|ya?ml)$/i.test(path), {
      error: 'is in no format that is known — name it .yaml or .json',
    })
    .meta({ title: 'file' });
  return z
    .strictObject({
      dns: dnsSchema().optional().describe('Asks DNS, and again when the response has expired.'),
      kubernetes: kubernetesSchema(file)
        .optional()
        .describe('Watches the endpoints of a Kubernetes service.'),
      consul: consulSchema().optional().describe('Watches the passing instances of a Consul service.'),
      file: targetFile.optional().describe('Reads `targets` from a YAML or JSON file whenever it changes.'),
    })
    .refine((kinds) => KINDS.filter((kind) => kinds[kind] !== undefined).length === 1, {
      error: 'needs exactly one kind — set one of dns, kubernetes, consul and file',
    });
}

function dnsSchema() {
  return z
    .strictObject({
      name: z
        .string()
        .regex(/^(?!.{254})(?:\w(?:[\w-]{0,61}\w)?\.)*\w(?:[\w-]{0,61}\w)?\.?$/, {
          error: 'is not a DNS name — write it like orders.internal',
        })
        .describe('Full name to ask for. Search domains are not tried.'),
      type: z
        .enum(['A', 'AAAA', 'SRV'])
        .prefault('A')
        .describe('Kind of records: addresses, or services with ports and weights.'),
      port: targetPort().optional().describe('Port of all targets; not with `SRV`, whose records carry it.'),
      servers: z
        .array(nameServer())
        .min(1, { error: 'is empty — name a server, or leave the key out' })
        .optional()
        .describe("Servers to ask, as an address with or without port; left out: the system's."),
      refresh: duration()
        .refine((ms) => ms >= 1000 && ms <= 300_000, {
          error: 'is not between 1s and 5m — write such a time',
        })
        .optional()
        .describe('Longest time until it asks again, before the TTL if need be. Default: `5m`.'),
    })
    .refine(({ type, port }) => type === 'SRV' || port !== undefined, {
      path: ['port'],
      error: 'is missing — set the port of the targets, or ask for SRV records',
    })
    .refine(({ type, port }) => type !== 'SRV' || port === undefined, {
      path: ['port'],
      error: 'has no effect, since SRV records carry their own — take it out',
    });
}

function kubernetesSchema(file: () => z.ZodType<string, string>) {
  const isLabel = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
  const name = () =>
    z
      .string()
      .regex(isLabel, { error: 'is not a Kubernetes name — use lower-case letters, digits and hyphens' });
  const portName = z.string().regex(/^(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, {
    error: 'is not a port — write the name of a port of the service, or the number its pods listen on',
  });
  return z.strictObject({
    namespace: name().describe('Namespace of the service.'),
    service: name().describe('Name of the service.'),
    port: z
      .union([portName, targetPort()])
      .describe("Name of the service's port, or the number that its pods listen on."),
    zone: text()
      .optional()
      .describe('Zone of this gateway. Endpoints with a topology hint for it are then used alone.'),
    kubeconfig: file()
      .optional()
      .describe('Kubeconfig file whose current context to use; left out: the service account of the pod.'),
  });
}

function consulSchema() {
  return z.strictObject({
    url: z
      .string()
      .refine(isOrigin, { error: 'is not the URL of Consul — write it like http://127.0.0.1:8500' })
      .meta({ title: 'URL' })
      .describe('Where a Consul agent answers: scheme, host and port.'),
    service: text().describe('Name of the service.'),
    token: text().optional().describe('ACL token, with `service:read` and `node:read`.'),
    tag: text().optional().describe('Only instances with this tag.'),
    datacenter: text().optional().describe("Datacenter to ask for; left out: the agent's."),
  });
}

function targetPort() {
  const error = 'is not a port — write a whole number from 1 to 65535';
  return z.int({ error }).min(1, { error }).max(65535, { error });
}

/** Node is asked itself, so that what passes here cannot fail there. */
function nameServer() {
  return z.string().refine(
    (server) => {
      try {
        new Resolver().setServers([server]);
        return true;
      } catch {
        return false;
      }
    },
    { error: 'is not a name server — write an address such as 10.0.0.53, 10.0.0.53:5353 or [fd00::53]:53' },
  );
}

function isOrigin(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, username, password, pathname, search, hash, port } = new URL(url);
  const isBare = username === '' && password === '' && pathname === '/' && search === '' && hash === '';
  return isBare && port !== '0' && (protocol === 'http:' || protocol === 'https:');
}
