import { z } from 'zod';
import { duration, idleTime, listenHost, listenPort, size, text, timeLimit, wholeNumber } from './scalars.ts';

/** Makes the schema of one entry of `listeners`. `file` is the schema of a file's path. */
export function listenerSchema(file: () => z.ZodType<string, string>) {
  return z.strictObject({
    host: listenHost().prefault('0.0.0.0').describe('Address to listen on.'),
    port: listenPort().describe('Port to listen on; 0 lets the system choose.'),
    redirectToHttps: z
      .int()
      .min(1)
      .max(65535)
      .optional()
      .describe(
        'Answers every request with 308 to `https` on this port, except `/.well-known/acme-challenge/`.',
      ),
    tls: tlsSchema(file)
      .optional()
      .describe('Makes this an HTTPS listener. Replaced certificate files are picked up.'),
    limits: limitsSchema().prefault({}).describe('What a client may send and how long it may take.'),
    allowEncoded: allowEncodedSchema()
      .prefault({})
      .describe('What of a path is rejected with 400 unless switched on here.'),
    mergeSlashes: z
      .boolean()
      .prefault(true)
      .describe('Takes several slashes in a path as one; `false` keeps them, for routes too.'),
    rawQuery: z
      .boolean()
      .prefault(false)
      .describe(
        'Takes bytes above 127 in a query, which are rejected with 400 else, and forwards them as `%C3%BC`.',
      ),
  });
}

function tlsSchema(file: () => z.ZodType<string, string>) {
  const certificate = z.strictObject({
    certFile: file().describe('PEM file with the certificate and its chain.'),
    keyFile: file().describe('PEM file with the private key.'),
  });
  return z.strictObject({
    certificates: z
      .array(certificate)
      .min(1, { error: 'is empty — name at least one certFile and keyFile' })
      .describe('Chosen by the name that the client asks for (SNI); the first one where none fits.'),
    minVersion: z.enum(['1.2', '1.3']).prefault('1.2').describe('Lowest TLS version taken.'),
    clientCertificates: z
      .strictObject({
        caFile: file().describe(
          'PEM file with the authorities whose certificates are accepted; all others are rejected.',
        ),
        name: text()
          .optional()
          .describe(
            'How policies name these authorities, by `authority` of `client-certificate`; needed where another listener has other ones.',
          ),
        required: z
          .boolean()
          .prefault(false)
          .describe(
            'TaskQueue away clients without a good certificate; else the policy `client-certificate` decides.',
          ),
      })
      .optional()
      .describe('Asks clients for certificates (mutual TLS); left out: not.'),
  });
}

function limitsSchema() {
  return z.strictObject({
    headerBytes: size().prefault('16KiB').describe('Whole request head; more is answered 431.'),
    urlBytes: size().prefault('8KiB').describe('Request target; more is answered 414.'),
    headerCount: wholeNumber(1).prefault(100).describe('Headers; more are answered 431.'),
    connections: wholeNumber(1).prefault(20_000).describe('Open connections of this listener.'),
    connectionsPerAddress: wholeNumber(1)
      .prefault(5000)
      .describe(
        'Open connections of one client address (a /64 of IPv6), so that none takes all; peers in `trustedProxies` may have any number.',
      ),
    headerTimeout: timeLimit()
      .prefault('10s')
      .describe(
        'From the first byte of a request to the end of its head; later is answered 408, `0s` sets no limit.',
      ),
    bodyIdle: timeLimit()
      .prefault('30s')
      .describe('Longest pause within a request body; longer is answered 408, `0s` sets no limit.'),
    bodyMinRate: size()
      .prefault('1KiB')
      .describe('Slowest request body, per second; slower is answered 408. `0B` switches it off.'),
    bodyMinRateAfter: duration().prefault('10s').describe('How long a body may be slower than that.'),
    keepAlive: idleTime().prefault('72s').describe('How long an idle connection is kept open.'),
    requestTimeout: timeLimit()
      .prefault('0s')
      .describe('From the first byte of a request to its last; `0s` sets no limit.'),
  });
}

function allowEncodedSchema() {
  return z.strictObject({
    slash: z.boolean().prefault(false).describe('Takes `%2F`, and forwards it as it is.'),
    backslash: z.boolean().prefault(false).describe('Takes `\\` and `%5C`, and forwards `%5C`.'),
    semicolon: z.boolean().prefault(false).describe('Takes `;` and `%3B`, and forwards them as they are.'),
    nul: z.boolean().prefault(false).describe('Takes `%00`, and forwards it as it is.'),
    invalidUtf8: z
      .boolean()
      .prefault(false)
      .describe('Takes bytes that are not UTF-8, such as `%FF`, and forwards them as they are.'),
    doubleEncoded: z
      .boolean()
      .prefault(true)
      .describe(
        'Takes what decodes to another character at the second time, such as `%252F`, and forwards it as it is; `false` rejects it with 400.',
      ),
  });
}
