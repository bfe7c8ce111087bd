import { z } from 'zod';
import { REQUEST_KEY } from '../../core/request-key.ts';
import { discoverySchema } from './discovery-schema.ts';
import { duration, headerName, idleTime, period, share, text, timeLimit, wholeNumber } from './scalars.ts';
import { targetUrl } from './target-url.ts';

/** The balancing strategies that have a name; the others are `hash:` and a key. */
export const STRATEGIES = ['round-robin', 'least-connections', 'two-choices', 'random'] as const;

/** The name of a balancing strategy. `upstream/balancing/create-balancer.ts` makes what it stands for. */
export type StrategyName = (typeof STRATEGIES)[number];

/** Makes the schema of one entry of `upstreams`. `file` is the schema of a file's path. */
export function upstreamSchema(file: () => z.ZodType<string, string>) {
  return z.strictObject({
    targets: z
      .array(targetSchema())
      .min(1, { error: 'is empty — name at least one URL' })
      .optional()
      .describe('Where requests go. A plain URL is short for `{ url }`.'),
    discovery: discoverySchema(file)
      .optional()
      .describe('Finds the targets elsewhere, instead of `targets`.'),
    app: file().optional().describe('File whose default export is a Fastify plugin, served in this process.'),
    balance: balance()
      .prefault('round-robin')
      .describe(
        `How a target is chosen: ${STRATEGIES.map((name) => `\`${name}\``).join(', ')} or \`hash:<key>\`, the key being \`ip\`, \`subject\`, \`route\`, \`header:<name>\`, \`cookie:<name>\` or \`param:<name>\`.`,
      ),
    sticky: stickySchema().optional().describe('Keeps a client with the target that answered it first.'),
    slowStart: duration()
      .prefault('0s')
      .describe(
        'How long a target that is new or came back takes to get all of its share; `0s` for at once.',
      ),
    health: healthSchema().prefault({}).describe('Which targets get requests.'),
    retries: retriesSchema().prefault({}).describe('When a request is sent to another target.'),
    hedge: hedgeSchema()
      .optional()
      .describe('Sends a GET that takes long to a second target too; left out: never.'),
    circuitBreaker: breakerSchema()
      .optional()
      .describe('Answers 503 at once while the upstream as a whole fails; left out: never.'),
    timeouts: timeoutsSchema().prefault({}).describe('How long to wait for a target.'),
    maxConnections: wholeNumber(1)
      .prefault(256)
      .describe('Open connections to each target, without WebSockets and event streams.'),
    maxQueued: wholeNumber(0)
      .prefault(1024)
      .describe('Requests that may wait for a connection to each target; more are answered 503.'),
    pool: poolSchema().prefault({}).describe('How long connections to targets are used.'),
    tls: tlsSchema(file).optional().describe('How targets with an `https` URL are verified.'),
  });
}

function targetSchema() {
  const target = z.strictObject({
    url: targetUrl().describe('Scheme, host and port, without a path; or `unix:/run/app.sock`.'),
    weight: wholeNumber(0)
      .prefault(1)
      .describe(
        'Share of the requests against the other targets; 0 for none but those of its `sticky` clients.',
      ),
  });
  return z.union([targetUrl().transform((url) => ({ url, weight: 1 })), target]);
}

function balance() {
  const key = REQUEST_KEY.source.slice(1, -1);
  return z
    .string()
    .regex(new RegExp(`^(?:${STRATEGIES.join('|')}|hash:${key})$`), {
      error: `is not a balancing strategy — write ${STRATEGIES.join(', ')} or hash:<key>, such as hash:ip or hash:header:x-tenant`,
    })
    .meta({ examples: [...STRATEGIES, 'hash:ip', 'hash:header:x-tenant'] });
}

function stickySchema() {
  return z.strictObject({
    cookie: headerName().describe('Name of the cookie that says which target it was.'),
  });
}

function healthSchema() {
  return z.strictObject({
    active: activeSchema().optional().describe('Asks targets whether they are well; left out: not.'),
    passive: passiveSchema().prefault({}).describe('Judges targets by what requests meet.'),
  });
}

function activeSchema() {
  return z.strictObject({
    path: z
      .string()
      .regex(/^\/[\x21-\x22\x24-\x7e]*$/, { error: 'is not a path — write it like /healthz' })
      .optional()
      .describe('What to GET; left out: a check passes where a connection comes about (TCP).'),
    status: z
      .array(z.int().min(200).max(599))
      .min(1, { error: 'is empty — name a status, or leave `status` out for 200 to 299' })
      .optional()
      .describe('Statuses that pass; left out: 200 to 299.'),
    body: text().optional().describe('Text that the body must hold, within its first 64 KiB.'),
    interval: period(10).prefault('10s').describe('From one check to the next, give or take a tenth.'),
    timeout: period(10).prefault('2s').describe('How long a check may take.'),
    healthyAfter: wholeNumber(1)
      .prefault(2)
      .describe('Checks in a row that must pass before a target is up again.'),
    unhealthyAfter: wholeNumber(1)
      .prefault(3)
      .describe('Checks in a row that must fail before a target is down.'),
  });
}

function passiveSchema() {
  return z.strictObject({
    failures: wholeNumber(1)
      .prefault(5)
      .describe('Failures in a row after which a target is ejected: no response, or 500, 502, 503, 504.'),
    ejectFor: period(10)
      .prefault('30s')
      .describe('How long the first time. It doubles each time, up to sixteen times as long.'),
    maxEjected: share()
      .prefault('50%')
      .describe('Share of the targets that may be out before no more are ejected; `0%` switches it off.'),
  });
}

function retriesSchema() {
  return z.strictObject({
    max: wholeNumber(0).prefault(1).describe('Attempts after the first one; 0 for none.'),
    on: z
      .array(retriedOutcome())
      .prefault(['connect-error', 502, 503])
      .describe(
        'What is tried again: `connect-error`, and statuses from 500. 502 is also a broken response, 504 also none before the timeout, and never goes to the same target again.',
      ),
    budget: share()
      .prefault('20%')
      .describe('Share of the requests under way that may be retries; three always may.'),
  });
}

function hedgeSchema() {
  return z.strictObject({
    after: period(10)
      .prefault('200ms')
      .describe(
        'How long the first target may take to the head of its response; then the first response of two counts.',
      ),
    budget: share().prefault('5%').describe('Share of the requests that may be sent twice.'),
  });
}

function retriedOutcome() {
  const error =
    'is nothing that another attempt mends — write connect-error, or a status from 500 to 599; below 500 the response stands';
  return z.union([z.literal('connect-error'), z.int().min(500, { error }).max(599, { error })], { error });
}

function breakerSchema() {
  return z.strictObject({
    failureRate: share().prefault('50%').describe('Share of failures within the window that opens it.'),
    minimumRequests: wholeNumber(1)
      .prefault(20)
      .describe('Requests within the window below which it stays closed.'),
    window: period(10).prefault('10s').describe('How far back outcomes count.'),
    openFor: period(10)
      .prefault('15s')
      .describe('How long no request passes; then three are let through as a test.'),
  });
}

function poolSchema() {
  return z.strictObject({
    idle: idleTime()
      .prefault('4s')
      .describe('How long an unused connection is kept, where the `Keep-Alive` of the target says nothing.'),
    maxAge: timeLimit()
      .prefault('10m')
      .describe('Age from which a connection is not used again, up to a tenth less; `0s` for no limit.'),
    maxUses: wholeNumber(0)
      .prefault(10_000)
      .describe('Requests after which a connection is not used again, up to a tenth less; 0 for no limit.'),
    minIdle: wholeNumber(0)
      .prefault(0)
      .describe('Connections to each target that are kept open for the next requests.'),
  });
}

function timeoutsSchema() {
  return z.strictObject({
    connect: timeLimit()
      .prefault('3s')
      .describe(
        'Until a connection stands, TLS included, whatever the number of addresses; `0s` for no limit.',
      ),
    response: timeLimit()
      .optional()
      .describe(
        "From the end of the request to the head of the response, for one attempt; later is answered 504, `0s` for no limit. Left out: the route's `timeout`.",
      ),
    idle: timeLimit()
      .prefault('60s')
      .describe('Longest pause while a body flows, either way; `0s` for no limit.'),
  });
}

function tlsSchema(file: () => z.ZodType<string, string>) {
  return z.strictObject({
    caFile: file().optional().describe("PEM file with the authorities to trust, instead of the system's."),
    certFile: file().optional().describe('PEM file with the certificate to show to targets.'),
    keyFile: file().optional().describe('PEM file with the key of that certificate.'),
    serverName: text().optional().describe('Name to ask for and verify, instead of the host of the URL.'),
    dangerouslySkipTlsVerification: z
      .boolean()
      .prefault(false)
      .describe('Takes any certificate. Anyone on the way can then read and change everything.'),
  });
}
