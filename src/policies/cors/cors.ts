import { z } from 'zod';
import { duration, headerName } from '../../config/schema/scalars.ts';
import type { Exchange } from '../../core/exchange.ts';
import { FieldKind } from '../../core/field-kind.ts';
import { HeaderList } from '../../core/header-list.ts';
import type { Reply } from '../../core/message.ts';
import { definePolicy } from '../../core/policy.ts';
import { compileOrigins, findOriginFault } from './origin-pattern.ts';

/** In capitals, since browsers compare methods with case. */
const METHOD = /^(?:[A-Z][A-Z-]*|\*)$/;
const REQUESTED_METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const ANY = '*';
const FIELD_NAMES = /^[!#$%&'*+\-.^_`|~0-9A-Za-z, \t]+$/;

const options = z
  .strictObject({
    origins: z
      .array(origin())
      .min(1, { error: 'is empty — name an origin, or leave the policy out' })
      .describe('Allowed origins: `https://app.example.com`, `https://*.example.com`, or only `*` for all.'),
    methods: z
      .array(z.string().regex(METHOD, { error: 'is not a method — write it in capitals, such as GET' }))
      .check(aloneIfAny)
      .prefault(['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE'])
      .describe("Methods that pages may use; `['*']`: any that they ask for."),
    headers: z
      .array(headerName())
      .check(aloneIfAny)
      .optional()
      .describe("Request headers that pages may send; left out, or `['*']`: any that they ask for."),
    exposedHeaders: z
      .array(headerName())
      .check(aloneIfAny)
      .prefault([])
      .describe(
        "Response headers that pages may read beyond the few that are always readable; `['*']`: all, but not with `credentials`.",
      ),
    credentials: z
      .boolean()
      .prefault(false)
      .describe("Whether pages may send cookies and other credentials. Not with `origins: ['*']`."),
    maxAge: duration()
      .prefault('10m')
      .describe('How long a browser may remember the response to a preflight.'),
    privateNetwork: z
      .boolean()
      .prefault(false)
      .describe('Whether pages of the public internet may reach this gateway in a private network.'),
  })
  .check((context) => {
    const { origins, exposedHeaders, credentials } = context.value;
    if (credentials && isAny(exposedHeaders))
      context.issues.push({
        code: 'custom',
        message:
          "is '*' with credentials, which browsers then read as a field of that name — name the fields",
        path: ['exposedHeaders'],
        input: exposedHeaders,
      });
    const fail = (message: string) =>
      context.issues.push({ code: 'custom', message, path: ['origins'], input: origins });
    if (!origins.includes('*')) return;
    if (origins.length > 1) fail("holds '*' beside others — leave the others out, or the '*'");
    if (credentials) {
      fail("is '*' with credentials, which would hand every site your users' data — name the origins");
    }
  });

/** Beside `*`, a name says nothing. */
function aloneIfAny(context: { value: readonly string[]; issues: z.core.$ZodRawIssue[] }): void {
  const { value } = context;
  if (value.length < 2 || !value.includes(ANY)) return;
  const message = "holds '*' beside others — leave the others out, or the '*'";
  context.issues.push({ code: 'custom', message, input: value });
}

function isAny(names: readonly string[] | undefined): boolean {
  return names?.[0] === ANY;
}

/** Tells browsers which web pages may use this API (the CORS protocol of the Fetch standard). */
export const cors = definePolicy({
  name: 'cors',
  summary: 'Lets web pages of other origins use the API, and responds to their preflights.',
  options,
  combination: 'replace',
  position: 'first',
  create(given) {
    const rules = compileRules(given);
    return {
      onRequest(exchange) {
        if (isPreflight(exchange)) return respondToPreflight(rules, exchange);
        notePageAccess(rules, exchange);
        return undefined;
      },
      onResponse(exchange, { headers }) {
        if (!isPreflight(exchange)) grantAccess(rules, exchange, headers);
      },
    };
  },
});

type Options = z.output<typeof options>;
type Rules = ReturnType<typeof compileRules>;

function origin() {
  return z.string().check((context) => {
    const message = findOriginFault(context.value);
    if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value });
  });
}

function compileRules({ origins, methods, headers, exposedHeaders, maxAge, ...switches }: Options) {
  return {
    isAnyOrigin: origins.includes('*'),
    isAllowed: compileOrigins(origins),
    // What is asked for stands for `*`: with credentials, browsers read that as a name, and it never means Authorization.
    methods: isAny(methods) ? undefined : methods.join(', '),
    headers: isAny(headers) ? undefined : headers?.join(', '),
    exposedHeaders: exposedHeaders.join(', '),
    maxAge: String(Math.floor(maxAge / 1000)),
    credentials: switches.credentials,
    privateNetwork: switches.privateNetwork,
  };
}

/** Tells policies behind this one what the operator thinks of the page that sends a request. */
function notePageAccess({ isAnyOrigin, isAllowed, credentials }: Rules, exchange: Exchange): void {
  if (isAnyOrigin) return;
  const origin = exchange.headers.getKind(FieldKind.origin);
  if (origin === undefined || !isAllowed(origin)) return;
  exchange.pageAccess = credentials ? 'with-credentials' : 'plain';
}

/** A preflight is OPTIONS with both fields; other OPTIONS requests are the upstream's. */
function isPreflight({ request }: Exchange): boolean {
  return (
    request.method === 'OPTIONS' &&
    request.headers.has('origin') &&
    request.headers.has('access-control-request-method')
  );
}

/** Responses without naming who is let in to those who are not. */
function respondToPreflight(rules: Rules, exchange: Exchange): Reply {
  const headers = HeaderList.from();
  headers.appendTrusted('vary', preflightVary(rules));
  if (!allowOrigin(rules, exchange, headers)) return { status: 204, headers };
  const methods =
    rules.methods ?? requestedHeaders(exchange, 'access-control-request-method', REQUESTED_METHOD);
  if (methods !== '') headers.append('access-control-allow-methods', methods);
  const allowed = rules.headers ?? requestedHeaders(exchange, 'access-control-request-headers', FIELD_NAMES);
  if (allowed !== '') headers.append('access-control-allow-headers', allowed);
  exposeHeaders(rules, headers);
  headers.append('access-control-max-age', rules.maxAge);
  if (rules.privateNetwork && exchange.headers.get('access-control-request-private-network') === 'true') {
    headers.append('access-control-allow-private-network', 'true');
  }
  return { status: 204, headers };
}

/** What a preflight asks for, empty where it is nothing that can be said back. */
function requestedHeaders(exchange: Exchange, field: string, form: RegExp): string {
  const asked = exchange.headers.get(field);
  return asked !== undefined && form.test(asked) ? asked : '';
}

function preflightVary({ privateNetwork }: Rules): string {
  const names = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers';
  return privateNetwork ? `${names}, Access-Control-Request-Private-Network` : names;
}

/** Writes what the gateway says about CORS in place of what the upstream says. */
function grantAccess(rules: Rules, exchange: Exchange, headers: HeaderList): void {
  headers.deleteKind(FieldKind.accessControl);
  if (!rules.isAnyOrigin) varyByOrigin(headers);
  if (allowOrigin(rules, exchange, headers)) exposeHeaders(rules, headers);
}

/** On preflights too, where browsers need it not: the conformance tests of the Gateway API look for it there. */
function exposeHeaders(rules: Rules, headers: HeaderList): void {
  if (rules.exposedHeaders !== '')
    headers.appendTrusted('access-control-expose-headers', rules.exposedHeaders);
}

/** Lets the request's origin in, if it may, and tells whether. */
function allowOrigin(rules: Rules, exchange: Exchange, headers: HeaderList): boolean {
  const origin = exchange.headers.getKind(FieldKind.origin);
  if (origin === undefined || !rules.isAllowed(origin)) return false;
  headers.appendTrusted('access-control-allow-origin', rules.isAnyOrigin ? '*' : origin);
  if (rules.credentials) headers.appendTrusted('access-control-allow-credentials', 'true');
  return true;
}

/** Also where the origin is missing or rejected: a cache must not give this response to another origin. */
function varyByOrigin(headers: HeaderList): void {
  const vary = headers.get('vary');
  if (vary === undefined || !/(^|,)\s*(\*|origin)\s*(,|$)/i.test(vary))
    headers.appendTrusted('vary', 'Origin');
}
