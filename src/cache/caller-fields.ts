import { isSecretName } from '../core/fields/secret-names.ts';
import { NameSet } from '../core/identity/name-set.ts';

/** What browsers and HTTP libraries send, which says nothing of who is calling. `Cookie` and `Authorization` are looked at by themselves. */
const HARMLESS = new NameSet(
  (
    'accept accept-charset accept-encoding accept-language access-control-request-headers access-control-request-method ' +
    'access-control-request-private-network available-dictionary baggage cache-control content-encoding content-language ' +
    'content-length content-type cookie dictionary-id dnt downlink dpr early-data ect if-match if-modified-since ' +
    'if-none-match if-range if-unmodified-since next-router-prefetch next-router-state-tree next-url pragma priority ' +
    'purpose range referer rsc rtt save-data sec-ch-ua sec-ch-ua-arch sec-ch-ua-bitness sec-ch-ua-full-version-list ' +
    'sec-ch-ua-mobile sec-ch-ua-model sec-ch-ua-platform sec-ch-ua-platform-version sec-ch-prefers-color-scheme ' +
    'sec-ch-viewport-width sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-storage-access sec-fetch-user sec-gpc ' +
    'sec-purpose te traceparent tracestate upgrade-insecure-requests user-agent viewport-width width x-correlation-id ' +
    'x-moz x-purpose x-requested-with'
  ).split(' '),
);

/** Words that make a name say who is calling, or for whom, where it is no secret: `X-User-Id`, `Remote-User`, `X-Tenant`. */
const NAMES_SOMEBODY =
  /(?:^|[^a-z0-9])(?:account|actor|assertion|auth|bearer|client|company|consumer|customer|dpop|email|groups?|identity|jwt|login|member|org|organi[sz]ation|owner|permissions?|principal|roles?|saml|scopes?|session|sid|sso|subject|tenant|ticket|uid|user|username|workspace)(?:[-_.]?(?:id|name|no|number|uuid))?(?:$|[^a-z0-9])/;

/** Names were asked about before, most of them again and again. */
const MAX_KNOWN = 2000;
const known = new Map<string, boolean>();

/** The names that never say who is calling. */
export const HARMLESS_FIELDS: Pick<NameSet, 'hasAt'> = HARMLESS;

/**
 * Tells whether a service may know a caller by a request header of this name, in lower case: it is a secret's, or says
 * who somebody is. No list can have all of them, so what a service reads beside must stand in its `Vary`.
 */
export function mayNameCaller(name: string): boolean {
  let may = known.get(name);
  if (may === undefined) {
    may = isSecretName(name) || NAMES_SOMEBODY.test(name);
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(name, may);
  }
  return may;
}
