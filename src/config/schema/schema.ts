import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { Policy } from '../../core/policy.ts';
import { isCodeValue } from '../../core/user-code/code-value.ts';
import { apiKeysSchema } from './api-keys-schema.ts';
import { asyncSchema } from './async-schema.ts';
import { authServiceName, authServiceSchema } from './auth-schema.ts';
import { cacheSchema } from './cache-schema.ts';
import { idempotencySchema } from './idempotency-schema.ts';
import { internalTokensSchema } from './internal-tokens-schema.ts';
import { kept } from './kept.ts';
import { listenerSchema } from './listener-schema.ts';
import { logsSchema } from './logs-schema.ts';
import { type PolicyInput, policyEntrySchema } from './policy-entry.ts';
import { redisSchema } from './redis-schema.ts';
import { pathsSchema, routeSchema } from './route-schema.ts';
import { routesFromSchema } from './routes-from-schema.ts';
import { duration, listenHost, listenPort, text } from './scalars.ts';
import { allowOverridesSchema, trustedProxiesSchema } from './trust-schema.ts';
import { upstreamSchema } from './upstream-schema.ts';

export type { PolicyEntry } from './policy-entry.ts';

/** The configuration as it is used: defaults filled in, durations in milliseconds, sizes in bytes, paths absolute. */
export type GatewayConfig = z.output<ReturnType<typeof gatewaySchema>>;

/**
 * The configuration as it is written. `Use` is what an entry of a `policies` list may be, which the policies that exist
 * decide and this schema does not know.
 */
export type GatewayInput<Use = PolicyInput> = Omit<WrittenGateway, 'policies' | 'routes' | 'routesFrom'> & {
  policies?: Use[] | undefined;
  routes?: RouteInput<Use>[] | undefined;
  routesFrom?: RoutesFromInput<Use>[] | undefined;
};

type WrittenGateway = z.input<ReturnType<typeof gatewaySchema>>;
type RouteInput<Use> = Omit<NonNullable<WrittenGateway['routes']>[number], 'policies'> & {
  policies?: Use[] | undefined;
};

type RoutesFromInput<Use> = Omit<NonNullable<WrittenGateway['routesFrom']>[number], 'policies'> & {
  policies?: Use[] | undefined;
};

export type ListenerConfig = GatewayConfig['listeners'][number];
export type UpstreamConfig = GatewayConfig['upstreams'][string];
export type RouteConfig = GatewayConfig['routes'][number];

/** More than the cores of any machine that we know of, and few enough to be started by mistake. */
export const MAX_WORKERS = 256;

/** Where files are found from: for as long as a configuration is parsed, the folder of its file. */
let folderOfFiles = '.';
const schemaFor = kept((policies: readonly Policy[]) => gatewaySchema(policies));

/**
 * Parses a configuration whose files are found from `folder`. Making the schema takes longer than parsing, so one is made for
 * the same list of policies.
 */
export function parseGateway(data: unknown, policies: readonly Policy[], folder: string) {
  folderOfFiles = folder;
  try {
    return schemaFor(policies).safeParse(data);
  } finally {
    folderOfFiles = '.';
  }
}

/** Makes the one schema that gives types, defaults, JSON Schema and reference. */
export function gatewaySchema(policies: readonly Policy[]) {
  const policyList = z.array(policyEntrySchema(policies)).prefault([]);
  return z.strictObject({
    $schema: text()
      .optional()
      .describe('Where an editor finds the JSON Schema of this file; the gateway does not look at it.'),
    listeners: listenersSchema().describe('Where clients connect.'),
    admin: adminSchema().prefault({}).describe('The port for operators.'),
    status: statusSchema()
      .optional()
      .describe('A port with nothing but `/healthz`, `/readyz` and `/metrics`, for probes and scrapers.'),
    workers: workerCount(),
    dataDir: file().prefault('./sallyport-data').describe('Folder for what must outlive the process.'),
    redis: redisSchema(file)
      .optional()
      .describe('The store that several gateways share; left out: memory and `dataDir`.'),
    cache: cacheSchema().prefault({}).describe('The store that policies `cache` share.'),
    respondAsync: asyncSchema(),
    idempotencyKey: idempotencySchema(),
    apiKeys: apiKeysSchema().prefault({}).describe('How API keys are made and where they are kept.'),
    trustedProxies: trustedProxiesSchema(),
    allowOverrides: allowOverridesSchema(),
    forwarded: z
      .boolean()
      .prefault(false)
      .describe('Also describes the client to upstreams in `Forwarded` (RFC 7239).'),
    authServices: z
      .record(authServiceName(), authServiceSchema(file))
      .prefault({})
      .describe('Who says that a token is good, by name.'),
    internalTokens: internalTokensSchema(file)
      .optional()
      .describe(
        'The short tokens that upstreams get from the gateway where a policy says `forward: exchange`.',
      ),
    upstreams: z.record(upstreamName(), upstreamSchema(file)).prefault({}).describe('Services, by name.'),
    policies: policyList.describe('Policies that every route runs first, in this order.'),
    paths: pathsSchema()
      .prefault({})
      .describe('Which spellings of their paths routes take that do not say it themselves.'),
    routes: z.array(routeSchema(policyList, file)).prefault([]).describe('Which requests go where.'),
    routesFrom: routesFromSchema(policyList, file),
    customPolicies: z
      .record(customPolicyName(), file())
      .prefault({})
      .describe('Policies of your own: from the name, which holds a slash, to the file.'),
    accessLog: z.boolean().prefault(true).describe('Writes a line for each request to standard output.'),
    logs: logsSchema().prefault({}).describe('How much the log says.'),
    metrics: z.boolean().prefault(true).describe('Counts and times requests for `/metrics`.'),
    loadShedding: loadSheddingSchema()
      .optional()
      .describe('Rejects some requests with 503 while the process cannot keep up; left out: none.'),
    drain: drainSchema().prefault({}).describe('How the gateway stops.'),
  });
}

/** The path of a file, found from the folder of the configuration; or what code gave in its place. */
function file() {
  return text()
    .transform((path) => (isCodeValue(path) ? path : resolve(folderOfFiles, path)))
    .meta({ title: 'file' });
}

function listenersSchema() {
  const error = 'is empty — add one, such as `- port: 8080`';
  return z.array(listenerSchema(file)).min(1, { error });
}

function workerCount() {
  const error = `is not a number of workers — write a whole number from 1 to ${MAX_WORKERS}, or auto`;
  return z
    .union([z.int({ error }).min(1, { error }).max(MAX_WORKERS, { error }), z.literal('auto')], { error })
    .transform((count) => (count === 'auto' ? Math.min(availableParallelism(), MAX_WORKERS) : count))
    .prefault(1)
    .describe(
      'Processes that `sallyport start` serves with, or `auto`: as many as there are cores. Above 1 a supervisor watches over them.',
    );
}

function adminSchema() {
  return z.strictObject({
    host: listenHost().prefault('127.0.0.1').describe('Address to listen on.'),
    port: listenPort().prefault(9901).describe('Port to listen on; 0 lets the system choose.'),
    token: text()
      .optional()
      .describe(
        'Bearer token that opens it; left out: `SALLYPORT_ADMIN_TOKEN` of the environment, or made once and kept in `dataDir`.',
      ),
  });
}

function statusSchema() {
  return z.strictObject({
    host: listenHost().prefault('0.0.0.0').describe('Address to listen on.'),
    port: listenPort().prefault(9902).describe('Port to listen on; 0 lets the system choose.'),
  });
}

function loadSheddingSchema() {
  return z.strictObject({
    maxDelay: duration()
      .prefault('200ms')
      .refine((ms) => ms >= 10, { error: 'is too short — write at least 10ms' })
      .describe(
        'How late the event loop may be. Above it a share of the requests is rejected, at twice as much all.',
      ),
  });
}

function drainSchema() {
  return z.strictObject({
    delay: duration()
      .prefault('5s')
      .describe('How long `/readyz` says no before the gateway stops to accept connections.'),
    timeout: duration()
      .prefault('20s')
      .describe('How long requests under way then have; `0s` cuts them at once.'),
  });
}

function upstreamName() {
  return z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, {
    error: 'is not a name for an upstream — use letters, digits, hyphens, dots and underscores',
  });
}

function customPolicyName() {
  return z.string().regex(/^[a-z0-9-]+(\/[a-z0-9-]+)+$/, {
    error: 'is not a name for a custom policy — put a slash in it, such as acme/audit',
  });
}
