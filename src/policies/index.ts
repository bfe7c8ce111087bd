import type { Policy } from '../core/policy.ts';
import { bodyLimit } from './body-limit.ts';
import { concurrency } from './concurrency.ts';
import { cors } from './cors.ts';
import { headers } from './headers.ts';
import { ipFilter } from './ip-filter.ts';
import { mirror } from './mirror.ts';
import { requestId } from './request-id.ts';
import { securityHeaders } from './security-headers.ts';

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
];

export { bodyLimit, concurrency, cors, headers, ipFilter, mirror, requestId, securityHeaders };
