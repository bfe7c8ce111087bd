import type { Policy } from '../core/policy.ts';
import { anyOf } from './any.ts';
import { apiKey } from './api-key.ts';
import { authorize } from './authorize/authorize.ts';
import { basic } from './basic/basic.ts';
import { bodyLimit } from './body-limit.ts';
import { cache } from './cache/cache.ts';
import { clientCertificate } from './client-certificate.ts';
import { concurrency } from './concurrency.ts';
import { cors } from './cors/cors.ts';
import { forwardAuth } from './forward-auth/forward-auth.ts';
import { headers } from './headers/headers.ts';
import { idempotencyKey } from './idempotency-key/idempotency-key.ts';
import { introspect } from './introspect.ts';
import { ipFilter } from './ip-filter.ts';
import { jwt } from './jwt/jwt.ts';
import { mirror } from './mirror/mirror.ts';
import { quota } from './quota.ts';
import { rateLimit } from './rate-limit/rate-limit.ts';
import { requestId } from './request-id.ts';
import { respondAsync } from './respond-async/respond-async.ts';
import { securityHeaders } from './security-headers.ts';
import { signature } from './signature/signature.ts';
import { transform } from './transform/transform.ts';
import { validate } from './validate/validate.ts';

/** Every way to find out who is calling. */
const authenticationMethods: readonly Policy[] = [
  jwt,
  introspect,
  apiKey,
  basic,
  signature,
  clientCertificate,
  forwardAuth,
];

/** Puts several of them side by side. */
const any = anyOf(authenticationMethods);

/** The policies that come with the gateway, which a configuration uses by name. */
export const builtInPolicies: readonly Policy[] = [
  requestId,
  cors,
  securityHeaders,
  headers,
  ipFilter,
  bodyLimit,
  mirror,
  concurrency,
  rateLimit,
  quota,
  ...authenticationMethods,
  any,
  authorize,
  validate,
  cache,
  idempotencyKey,
  transform,
  respondAsync,
];

export {
  any,
  apiKey,
  authorize,
  basic,
  bodyLimit,
  cache,
  clientCertificate,
  concurrency,
  cors,
  forwardAuth,
  headers,
  idempotencyKey,
  introspect,
  ipFilter,
  jwt,
  mirror,
  quota,
  rateLimit,
  requestId,
  respondAsync,
  securityHeaders,
  signature,
  transform,
  validate,
};
