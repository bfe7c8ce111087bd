import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { FORWARDED_METHODS } from '../../core/methods.ts';
import { aggregateSchema } from './aggregate-schema.ts';
import { batchSchema } from './batch-schema.ts';
import { findPatternFault } from './path-pattern.ts';
import { headerFields, text, timeLimit } from './scalars.ts';
import { splitSchema } from './split-schema.ts';

/** Makes the schema of one entry of `routes`. `policies` is the schema of a list of policies, `file` takes the path of a file. */
export function routeSchema<Policies extends z.ZodType, File extends z.ZodType>(
  policies: Policies,
  file: () => File,
) {
  return z.strictObject({
    id: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, {
        error: 'is not an id — use letters, digits, hyphens, dots and underscores',
      })
      .describe('Name of the route in logs and metrics; unique.'),
    path: pathPattern().describe(
      'What the path must be: `:name` stands for a segment, a last `*` for the rest.',
    ),
    methods: z
      .array(z.enum(FORWARDED_METHODS, { error: ({ input }) => describeEveryMethod(input) }))
      .min(1, { error: 'is empty — name a method, or leave `methods` out for all' })
      .optional()
      .describe('Methods that match; left out: all.'),
    hosts: z
      .array(hostPattern())
      .min(1, { error: 'is empty — name a host, or leave `hosts` out for all' })
      .optional()
      .describe('Host names that match, such as `api.example.com` or `*.example.com`; left out: all.'),
    headers: headerFields().optional().describe('Headers that must be there with exactly this value.'),
    query: z
      .record(text(), z.string())
      .optional()
      .describe('Query parameters that must be there with exactly this value.'),
    ...spellingFields(),
    upstream: text().optional().describe('Name of the upstream that answers.'),
    split: splitSchema()
      .optional()
      .describe('Several upstreams that share the requests, such as a canary release, instead of one.'),
    aggregate: aggregateSchema(file)
      .optional()
      .describe('Makes one response of what several upstreams answer, instead of one upstream.'),
    respond: responseSchema()
      .optional()
      .describe(
        'Answers from the gateway itself, instead of an upstream; `quota` tells the client how it stands with its quotas, `jwks` which keys verify `internalTokens`.',
      ),
    redirect: redirectSchema().optional().describe('Sends the client elsewhere, instead of an upstream.'),
    batch: batchSchema()
      .optional()
      .describe(
        'Takes several requests in one, each of which is run by its own route, instead of an upstream.',
      ),
    ...forwardingSettings(),
    public: z
      .boolean()
      .prefault(false)
      .describe(
        'Leaves out the top-level policies about who is calling. Those of this route itself run nevertheless.',
      ),
    policies: policies.describe('Policies of this route, which run after the top-level ones, in this order.'),
  });
}

/** Makes the settings of what an upstream gets. */
function forwardingSettings() {
  return {
    rewrite: absolutePath()
      .optional()
      .describe('Path that the upstream sees, such as `/v1/orders/{params.id}`; left out: as it came.'),
    stripPrefix: absolutePath()
      .optional()
      .describe(
        'Whole leading segments that are taken off the path before the upstream sees it, which gets them in `X-Forwarded-Prefix`.',
      ),
    restorePrefix: z
      .boolean()
      .prefault(false)
      .describe(
        'Puts what `stripPrefix` takes off back into `Location`, `Content-Location` and the `Path` of cookies.',
      ),
    hostHeader: z
      .string()
      .regex(/^[0-9A-Za-z.:[\]_-]+$/, { error: 'is not a host — write preserve, target or a host name' })
      .meta({ examples: ['preserve', 'target'] })
      .prefault('preserve')
      .describe(
        "`Host` that the upstream sees: the client's (`preserve`), the target's (`target`) or a name.",
      ),
    timeout: timeLimit()
      .prefault('30s')
      .describe(
        'From the end of the request to the head of the response, over all attempts; `0s` for no limit.',
      ),
  };
}

/** What other gateways write for all methods; else the schema's own words. */
function describeEveryMethod(written: unknown): string | undefined {
  if (typeof written !== 'string' || !/^(?:\*|any|all)$/i.test(written)) return undefined;
  return 'stands for every method elsewhere — leave `methods` out for all';
}

/** Which spellings of its path a route takes. */
function spellingFields() {
  return {
    caseSensitive: z.boolean().optional().describe(`${CASE_SENSITIVE} Left out: as \`paths\` says.`),
    trailingSlash: trailingSlash().optional().describe(`${TRAILING_SLASH} Left out: as \`paths\` says.`),
  };
}

/** Makes the schema of `paths`: how all routes match that do not say it themselves. */
export function pathsSchema() {
  return z.strictObject({
    caseSensitive: z.boolean().prefault(true).describe(CASE_SENSITIVE),
    trailingSlash: trailingSlash().prefault('exact').describe(TRAILING_SLASH),
  });
}

const CASE_SENSITIVE =
  'Whether the case of letters in `path` counts; `false` for services to which `/Admin` is `/admin`.';
const TRAILING_SLASH =
  'Whether a slash at the end of `path` counts (`exact`), or is the same with and without (`same`).';

function trailingSlash() {
  return z.enum(['exact', 'same'], { error: 'is not a rule for slashes — write exact, or same' });
}

function responseSchema() {
  return z.union([z.literal('quota'), z.literal('jwks'), respondSchema()], {
    error: 'is not a response — write a map with status, headers and body, quota, or jwks',
  });
}

function respondSchema() {
  return z.strictObject({
    status: z.int().min(200).max(599).prefault(200).describe('Status of the response.'),
    headers: headerFields().prefault({}).describe('Headers of the response.'),
    body: z.json().optional().describe('Body: text as it is, anything else as JSON.'),
  });
}

function redirectSchema() {
  return z.strictObject({
    scheme: z.enum(['http', 'https']).optional().describe('Scheme to go to; left out: as it was.'),
    host: redirectHost().optional().describe('Host to go to; left out: as it was.'),
    port: z.int().min(1).max(65535).optional().describe('Port to go to; left out: as it was.'),
    path: absolutePath()
      .optional()
      .describe('Path to go to, such as `/orders/{params.*}`; left out: as it was.'),
    status: z
      .union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)], {
        error: 'is not a redirect status — write 301, 302, 303, 307 or 308',
      })
      .prefault(302)
      .describe('Status of the response.'),
  });
}

function redirectHost() {
  const error = 'is not a host — write a name or an address without a port, which has a key of its own';
  return z
    .string()
    .refine((host) => /^[A-Za-z0-9._-]+$/.test(host) || isIPv6(host.replace(/^\[(.*)\]$/, '$1')), { error });
}

function pathPattern() {
  return z.string().check((context) => {
    const fault = findPatternFault(context.value);
    if (fault !== undefined) context.issues.push({ code: 'custom', message: fault, input: context.value });
  });
}

/** The rest of a path is judged with the parameters of its route, by `findTemplateFault`. */
function absolutePath() {
  return z.string().regex(/^\//, { error: "does not begin with '/' — put a / in front" });
}

function hostPattern() {
  return z
    .string()
    .regex(/^(\*\.)?([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])$/, {
      error: 'is not a host — write it like api.example.com or *.example.com, without scheme and port',
    })
    .transform((host) => host.toLowerCase());
}
