import { z } from 'zod';
import { isSecretName } from '../../core/fields/secret-names.ts';
import { share } from './scalars.ts';

/** The levels of a log, the loudest first. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** The parts of the gateway whose lines have a level of their own. */
export const LOG_AREAS = [
  'access',
  'admin',
  'auth',
  'gateway',
  'keys',
  'limits',
  'listeners',
  'policies',
  'upstream',
  'workers',
] as const;

/** What a line of the access log says unless it is left out by `omit`. */
export const USUAL_FIELDS = [
  ...['requestId', 'method', 'host', 'path', 'query', 'durationMs', 'upstream', 'target', 'upstreamMs'],
  ...['parts', 'attempt', 'queueMs', 'policiesMs', 'bytes', 'bytesIn', 'client'],
  ...['subject', 'keyId', 'plan', 'authMethod', 'detail', 'reason', 'cause'],
] as const;

/** What it says beside that where `fields` asks for it; `header:<name>` and `claim:<name>` as well. */
export const MORE_FIELDS = [
  ...['userAgent', 'referer', 'scheme', 'httpVersion', 'peer', 'serverName', 'roles', 'upstreamPath'],
] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogArea = (typeof LOG_AREAS)[number];
export type LogsConfig = z.output<ReturnType<typeof logsSchema>>;

const HEADER = /^header:[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const CLAIM = /^claim:[^\s\x00-\x1f\x7f]{1,128}$/;

/** Makes the schema of `logs`. */
export function logsSchema() {
  const areas = Object.fromEntries(
    LOG_AREAS.map((area) => [area, level().optional().describe(DESCRIPTIONS[area])]),
  ) as Record<LogArea, z.ZodOptional<ReturnType<typeof level>>>;
  return z.strictObject({
    level: level()
      .prefault('info')
      .describe('The least weight of a line; `--log-level` of `sallyport start` goes before it.'),
    levels: z.strictObject(areas).prefault({}).describe('Levels of parts of the gateway, where they differ.'),
    accessLog: accessLogSchema().prefault({}).describe('What the line of each request says.'),
  });
}

const DESCRIPTIONS: Readonly<Record<LogArea, string>> = {
  access: 'The line of each request: `info`, or more where it failed.',
  admin: 'The ports for operators.',
  auth: 'Auth services and their keys.',
  gateway: 'Start, reload, end, and what no other part has.',
  keys: 'API keys and their store.',
  limits: 'Limits, quotas and Redis.',
  listeners: 'Ports, TLS, certificates and file descriptors.',
  policies: 'What policies decided or could not, those of your own included.',
  upstream: 'Targets: their health and discovery.',
  workers: 'Workers that start and end.',
};

function level() {
  return z.enum(LOG_LEVELS, { error: `is not a level — write ${LOG_LEVELS.join(', ')}` });
}

function accessLogSchema() {
  return z.strictObject({
    sample: share()
      .prefault('100%')
      .describe(
        'Share of the requests below status 400 that leave a line. All others, and failures, always do.',
      ),
    fields: z
      .array(moreField())
      .prefault([])
      .describe(
        `What a line says beside the usual: ${MORE_FIELDS.join(', ')}, \`header:<name>\` of the request, \`claim:<name>\` of the caller.`,
      ),
    omit: z
      .array(
        z.enum(USUAL_FIELDS, {
          error: `is not a field that can be left out — write ${USUAL_FIELDS.join(', ')}`,
        }),
      )
      .prefault([])
      .describe('What of the usual a line does not say.'),
  });
}

function moreField() {
  const error = `is not a field — write ${MORE_FIELDS.join(', ')}, header:<name> or claim:<name>`;
  return z.string({ error }).check((context) => {
    const message = findFieldFault(context.value);
    if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value });
  });
}

function findFieldFault(field: string): string | undefined {
  if ((USUAL_FIELDS as readonly string[]).includes(field)) return undefined;
  const [kind, name = ''] = [field.slice(0, field.indexOf(':')), field.slice(field.indexOf(':') + 1)];
  if (HEADER.test(field) || CLAIM.test(field)) {
    if (!isSecretName(name)) return undefined;
    return `names a ${kind} that holds a secret — leave it out: no secret is written to a log`;
  }
  if ((MORE_FIELDS as readonly string[]).includes(field)) return undefined;
  return `is not a field — write ${MORE_FIELDS.join(', ')}, header:<name> or claim:<name>`;
}
