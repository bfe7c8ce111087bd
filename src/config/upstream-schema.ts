import { z } from 'zod';
import { duration, text, wholeNumber } from './scalars.ts';

/** Makes the schema of one entry of `upstreams`. `file` is the schema of a file's path. */
export function upstreamSchema(file: () => z.ZodType<string, string>) {
  return z.strictObject({
    targets: z
      .array(targetSchema())
      .min(1, { error: 'is empty — name at least one URL' })
      .optional()
      .describe('Where requests go. A plain URL is short for `{ url }`.'),
    app: file().optional().describe('File whose default export is a Fastify plugin, served in this process.'),
    balance: z.enum(['round-robin']).prefault('round-robin').describe('How a target is chosen.'),
    timeouts: timeoutsSchema().prefault({}).describe('How long to wait for a target.'),
    maxConnections: wholeNumber(1).prefault(256).describe('Open connections to each target.'),
    maxQueued: wholeNumber(0)
      .prefault(1024)
      .describe('Requests that may wait for a connection to each target; more are answered 503.'),
    tls: tlsSchema(file).optional().describe('How targets with an `https` URL are verified.'),
  });
}

function targetSchema() {
  const target = z.strictObject({ url: targetUrl().describe('Scheme, host and port, without a path.') });
  return z.union([targetUrl().transform((url) => ({ url })), target]);
}

function targetUrl() {
  const error = 'is not the URL of a target — write scheme, host and port, such as http://127.0.0.1:9001';
  return z
    .string()
    .refine(isOrigin, { error })
    .transform((url) => new URL(url).origin)
    .meta({ title: 'URL' });
}

function isOrigin(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, username, password, pathname, search, hash } = new URL(url);
  const isHttp = protocol === 'http:' || protocol === 'https:';
  return isHttp && username === '' && password === '' && pathname === '/' && search === '' && hash === '';
}

function timeoutsSchema() {
  return z.strictObject({
    connect: duration().prefault('3s').describe('Until a connection stands, TLS included.'),
    response: duration()
      .prefault('15s')
      .describe('From the end of the request to the head of the response; later is answered 504.'),
    idle: duration().prefault('60s').describe('Longest pause while a body flows, either way.'),
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
