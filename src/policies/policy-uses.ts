import type { Policy } from '../core/policy.ts';
import type {
  AnyOf,
  AuthenticationMethod,
  CustomPolicyOptions,
  PolicyEntryInput,
  PolicyOptions,
} from './policy-input.ts';

/** Uses `request-id` in a configuration. */
export function requestId(options: PolicyOptions['request-id'] = {}): PolicyEntryInput<'request-id'> {
  return { 'request-id': options };
}

/** Uses `cors` in a configuration: `cors({ origins: ['https://app.example.com'] })`. */
export function cors(options: PolicyOptions['cors']): PolicyEntryInput<'cors'> {
  return { cors: options };
}

/** Uses `security-headers` in a configuration. */
export function securityHeaders(
  options: PolicyOptions['security-headers'] = {},
): PolicyEntryInput<'security-headers'> {
  return { 'security-headers': options };
}

/** Uses `headers` in a configuration: `headers({ request: { remove: ['cookie'] } })`. */
export function headers(options: PolicyOptions['headers']): PolicyEntryInput<'headers'> {
  return { headers: options };
}

/** Uses `ip-filter` in a configuration: `ipFilter({ allow: ['10.0.0.0/8'] })`. */
export function ipFilter(options: PolicyOptions['ip-filter']): PolicyEntryInput<'ip-filter'> {
  return { 'ip-filter': options };
}

/** Uses `body-limit` in a configuration: `bodyLimit({ max: '64KiB' })`. */
export function bodyLimit(options: PolicyOptions['body-limit'] = {}): PolicyEntryInput<'body-limit'> {
  return { 'body-limit': options };
}

/** Uses `cache` in a configuration: `cache({ maxAge: '30s', staleWhileRevalidate: '60s' })`. */
export function cache(options: PolicyOptions['cache'] = {}): PolicyEntryInput<'cache'> {
  return { cache: options };
}

/** Uses `idempotency-key` in a configuration: `idempotencyKey({ ttl: '24h', required: true })`. */
export function idempotencyKey(
  options: PolicyOptions['idempotency-key'] = {},
): PolicyEntryInput<'idempotency-key'> {
  return { 'idempotency-key': options };
}

/** Uses `transform` in a configuration: `transform({ response: { body: { data: '{response.body}' } } })`. */
export function transform(options: PolicyOptions['transform']): PolicyEntryInput<'transform'> {
  return { transform: options };
}

/** Uses `respond-async` in a configuration: `respondAsync({ when: 'always', retries: 5 })`. */
export function respondAsync(
  options: PolicyOptions['respond-async'] = {},
): PolicyEntryInput<'respond-async'> {
  return { 'respond-async': options };
}

/** Uses `mirror` in a configuration: `mirror({ upstream: 'orders-next', share: '10%' })`. */
export function mirror(options: PolicyOptions['mirror']): PolicyEntryInput<'mirror'> {
  return { mirror: options };
}

/** Uses `concurrency` in a configuration: `concurrency({ limit: 100 })`. */
export function concurrency(options: PolicyOptions['concurrency']): PolicyEntryInput<'concurrency'> {
  return { concurrency: options };
}

/** Uses `rate-limit` in a configuration: `rateLimit({ limit: 100, window: '1m' })`. */
export function rateLimit(options: PolicyOptions['rate-limit']): PolicyEntryInput<'rate-limit'> {
  return { 'rate-limit': options };
}

/** Uses `quota` in a configuration: `quota({ limit: 10_000, period: 'month' })`. */
export function quota(options: PolicyOptions['quota']): PolicyEntryInput<'quota'> {
  return { quota: options };
}

/** Uses `jwt` in a configuration: `jwt({ service: 'main' })`. */
export function jwt(options: PolicyOptions['jwt'] = {}): PolicyEntryInput<'jwt'> {
  return { jwt: options };
}

/** Uses `introspect` in a configuration: `introspect({ service: 'partner' })`. */
export function introspect(options: PolicyOptions['introspect'] = {}): PolicyEntryInput<'introspect'> {
  return { introspect: options };
}

/** Uses `api-key` in a configuration. */
export function apiKey(options: PolicyOptions['api-key'] = {}): PolicyEntryInput<'api-key'> {
  return { 'api-key': options };
}

/** Uses `any` in a configuration: `any([jwt(), apiKey()])`. */
export function any<const Ways extends readonly AuthenticationMethod[]>(ways: Ways): AnyOf<Ways> {
  return { any: ways } as AnyOf<Ways>;
}

/** Uses `authorize` in a configuration: `authorize({ roles: ['admin'] })`. */
export function authorize(options: PolicyOptions['authorize'] = {}): PolicyEntryInput<'authorize'> {
  return { authorize: options };
}

/** Uses `basic` in a configuration: `basic({ users: { ada: { password: '${ADA_HASH}' } } })`. */
export function basic(options: PolicyOptions['basic']): PolicyEntryInput<'basic'> {
  return { basic: options };
}

/** Uses `forward-auth` in a configuration: `forwardAuth({ url: 'http://auth:9000/verify', requestHeaders: ['cookie'] })`. */
export function forwardAuth(options: PolicyOptions['forward-auth']): PolicyEntryInput<'forward-auth'> {
  return { 'forward-auth': options };
}

/** Uses `signature` in a configuration: `signature({ keys: { partner: { publicKey: '${file:./partner.pem}' } } })`. */
export function signature(options: PolicyOptions['signature']): PolicyEntryInput<'signature'> {
  return { signature: options };
}

/** Uses `client-certificate` in a configuration: `clientCertificate({ clients: { 'orders-service': {} } })`. */
export function clientCertificate(
  options: PolicyOptions['client-certificate'] = {},
): PolicyEntryInput<'client-certificate'> {
  return { 'client-certificate': options };
}

/** Uses `validate` in a configuration: `validate({ openapi: { file: './orders.yaml', operation: 'getOrder' } })`. */
export function validate(options: PolicyOptions['validate']): PolicyEntryInput<'validate'> {
  return { validate: options };
}

/**
 * Uses a policy of one's own in a configuration, its options known to the compiler: `usePolicy(audit, { reason: 'x' })`.
 * The configuration names it in `customPolicies` as well.
 */
export function usePolicy<Own extends Policy>(
  policy: Own,
  ...[options]: object extends CustomPolicyOptions<Own>
    ? [options?: CustomPolicyOptions<Own>]
    : [options: CustomPolicyOptions<Own>]
): { readonly [Name in Own['name']]: CustomPolicyOptions<Own> } {
  return { [policy.name]: options ?? {} } as { [Name in Own['name']]: CustomPolicyOptions<Own> };
}
