import { z } from 'zod';
import { duration, headerName, text, timeLimit } from '../../config/schema/scalars.ts';
import { findOwnedField } from '../../core/fields/owned-fields.ts';
import { defineIdentifyingPolicy } from '../../core/identity/identify.ts';
import { pageOrigins } from '../credentials/page-origins.ts';
import { ForwardAuth } from './forward-auth-identifier.ts';
import { findRequestField, findResponseField } from './message-fields.ts';

/** What the client hears of a response that lets nobody in. */
const RESPONSE_HEADERS = [
  ...['content-type', 'www-authenticate', 'location', 'set-cookie', 'cache-control', 'retry-after'],
];

/** Asks another service about each request, in the manner of Traefik's `forwardAuth` and nginx's `auth_request`. */
export const forwardAuth = defineIdentifyingPolicy({
  name: 'forward-auth',
  summary: 'Asks a service of yours whether a request may pass, and who is calling.',
  options: z
    .strictObject({
      url: serviceUrl().optional().describe('URL that is called, such as `http://auth:9000/verify`.'),
      upstream: text()
        .optional()
        .describe('Upstream that is called, in place of `url`: with balancing, health and TLS of its own.'),
      path: z
        .string()
        .regex(/^\/[\x21\x22\x24-\x7e]*$/, { error: 'is not a path — write it like /verify' })
        .optional()
        .describe('Path that is requested at `upstream`. Default: `/`.'),
      requestHeaders: z
        .array(freeHeader())
        .describe(
          'Headers of the request that the service gets, such as `[authorization, cookie]`; no others. Method, URI, host and client are sent in `X-Forwarded-…`.',
        ),
      responseHeaders: z
        .array(copiedHeader())
        .prefault([])
        .describe(
          'Headers of its response that the upstream gets. What clients send under these names never passes.',
        ),
      answerHeaders: z
        .array(freeHeader())
        .prefault(RESPONSE_HEADERS)
        .describe('Headers that the client gets where the service rejects.'),
      clientHeaders: z
        .array(freeHeader().check(reject(findRequestField)))
        .prefault([])
        .describe(
          'Headers of an accepted response that the client gets beside those of the upstream, such as `[set-cookie]` for a session that is prolonged. Such a response is not kept.',
        ),
      origins: pageOrigins('cookies, or a password that the browser keeps'),
      identity: identitySchema()
        .optional()
        .describe('Which headers of the response say who is calling; left out: the caller stays anonymous.'),
      forward: z
        .enum(['pass', 'exchange'])
        .prefault('pass')
        .describe(
          'What the upstream gets in `Authorization`: what the request has, or (`exchange`) a short token signed by the gateway for the caller in `identity`, by `internalTokens`.',
        ),
      timeout: timeLimit()
        .prefault('2s')
        .describe('How long the service has. Later is answered 503, `0s` sets no limit.'),
      cache: cacheSchema()
        .optional()
        .describe('Stores accepted responses; left out: calls the service each time.'),
    })
    .check(({ value, issues }) => {
      for (const [path, message] of findFaults(value))
        issues.push({ code: 'custom', message, path: [path], input: value });
    }),
  origins: ({ url }) => (url === undefined ? [] : [new URL(url).origin]),
  createIdentifier: (options, services) => new ForwardAuth(options, services),
});

function* findFaults(options: {
  readonly url?: string | undefined;
  readonly upstream?: string | undefined;
  readonly path?: string | undefined;
  readonly requestHeaders: readonly string[];
  readonly cache?: { readonly key: string } | undefined;
  readonly forward: string;
  readonly identity?: object | undefined;
}): Generator<[path: string, message: string]> {
  const { url, upstream, path, requestHeaders, cache, forward, identity } = options;
  if (url === undefined && upstream === undefined) yield ['url', 'is missing — add url, or upstream'];
  if (url !== undefined && upstream !== undefined) yield ['upstream', 'stands beside url — keep one of them'];
  if (path !== undefined && url !== undefined) yield ['path', 'has no effect beside url — write it there'];
  if (cache?.key === 'headers' && requestHeaders.length === 0)
    yield ['cache', 'would let everyone in by one response — name requestHeaders, or write key: request'];
  if (forward === 'exchange' && identity === undefined)
    yield ['forward', 'has no caller to make a token for — add identity'];
}

function serviceUrl() {
  const error =
    'is not the URL of a service — write it like http://auth:9000/verify, without user and fragment';
  return z.string().refine(
    (url) => {
      if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return false;
      const { username, password, hash } = new URL(url);
      return username === '' && password === '' && hash === '';
    },
    { error },
  );
}

function identitySchema() {
  return z.strictObject({
    subject: headerName().describe(
      'Header with the name of the caller. A response without it counts as a failure of the service, and the request is answered 503.',
    ),
    roles: headerName().optional().describe('Field with roles, separated by commas.'),
    permissions: headerName().optional().describe('Field with permissions, separated by commas.'),
  });
}

function cacheSchema() {
  return z.strictObject({
    maxAge: duration()
      .refine((ms) => ms > 0, { error: 'keeps nothing — write a time, or leave cache out' })
      .describe('How long a response counts.'),
    key: z
      .enum(['request', 'headers'])
      .prefault('request')
      .describe(
        '`request`: for the same method, host, path, query and address. `headers`: whenever `requestHeaders` are the same, for services that look at nothing else.',
      ),
  });
}

function freeHeader() {
  return headerName()
    .check(({ value, issues }) => {
      const message = /^x[-_]auth[-_]/i.test(value) ? undefined : findOwnedField(value);
      if (message !== undefined) issues.push({ code: 'custom', message, input: value });
    })
    .transform((name) => name.toLowerCase());
}

/** The gateway's own words for who is calling. */
const OWN_WORDS = /^x[-_]auth[-_](?:subject|roles|permissions)$/i;

function copiedHeader() {
  return freeHeader()
    .refine((name) => !OWN_WORDS.test(name), {
      error: 'is what the gateway itself sends to upstreams — name it in identity instead',
    })
    .check(reject(findResponseField));
}

function reject(findFault: (name: string) => string | undefined) {
  return ({ value, issues }: z.core.ParsePayload<string>): void => {
    const message = findFault(value);
    if (message !== undefined) issues.push({ code: 'custom', message, input: value });
  };
}
