import type { HeaderList } from '../core/header-list.ts';
import type { CacheScope, ReuseRules } from '../core/stores/cache-store.ts';
import { type Directives, parseDirectives } from './directives.ts';
import { initialAgeOf, type LifetimeSettings, lifetimeOf, type ResponseTimes } from './freshness.ts';
import { directivesForCaches } from './targeted-directives.ts';
import { varyOf } from './vary.ts';

/** What is known of the request that a response answers. */
export interface RequestTraits {
  /** Whether a policy has found out who is calling. */
  readonly isIdentified: boolean;
  /** Whether the request carried `Authorization`, whoever understood it (RFC 9111 §3.5). */
  readonly hasAuthorization: boolean;
  /** Whether the request carried cookies that are in no key. */
  readonly hasCookies: boolean;
  /** Other headers of the request by which a service may know a caller whom nobody here knows. In lower case. */
  readonly callerFields: readonly string[];
  /** What its `Cache-Control` says: `no-store` is obeyed (RFC 9111 §5.2.1.5). */
  readonly directives: Directives;
}

/** What the configuration says of storing. */
export interface StoreSettings extends LifetimeSettings {
  /** Whether each subject has its own, also of what says `private`. */
  readonly private: boolean;
  /** The statuses that are stored; `undefined`: all that name a lifetime, and those of `DEFAULT_STATUSES`. */
  readonly statuses: ReadonlySet<number> | undefined;
  /** How long stale responses may be used where they do not say so themselves, in milliseconds. */
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
}

export type Storability =
  | { readonly isStorable: true; readonly rules: ReuseRules }
  | { readonly isStorable: false; readonly reason: string };

/** Stored for `maxAge` where the response itself says nothing. */
export const DEFAULT_STATUSES: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 404, 410]);

/** Statuses whose meaning for caches is known here, which `must-understand` asks for (RFC 9111 §5.2.2.3). */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  ...[200, 203, 204, 300, 301, 302, 303, 307, 308],
  ...[400, 403, 404, 405, 410, 414, 421, 451, 500, 501, 502, 503, 504],
]);

/**
 * Decides whether a shared cache may store a response, and how it may use it then (RFC 9111 §3). Beyond the RFC: an
 * answer to somebody who is known belongs to that subject, unless it says itself that it is for all; and what sets a
 * cookie is not stored.
 */
export function judgeStorability(
  response: { readonly status: number; readonly headers: HeaderList },
  requestTraits: RequestTraits,
  times: ResponseTimes,
  settings: StoreSettings,
): Storability {
  const { status, headers } = response;
  const { directives, isTargeted } = directivesForCaches(headers);
  const forbidden = findProhibition(status, headers, directives, requestTraits);
  if (forbidden !== undefined) return rejected(forbidden);
  const vary = varyOf(headers);
  if (vary === '*') return rejected('vary');
  const scope = scopeOf(directives, requestTraits, settings, vary);
  if (scope === undefined) return rejected('private');
  const hiddenFields = hiddenBy(directives);
  if (headers.has('set-cookie') && !hiddenFields.includes('set-cookie')) return rejected('set-cookie');
  const says = namesLifetime(directives, headers, isTargeted);
  if (scope === 'everybody' && !isForAll(directives) && !selectsCaller(vary, requestTraits))
    return rejected('credentials');
  if (!isStorableStatus(status, says, settings)) return rejected('status');
  const isDefaulted = !says && !DEFAULT_STATUSES.has(status) && settings.statuses === undefined;
  const lifetime = isDefaulted ? { ...settings, maxAgeMs: undefined } : settings;
  const rules: ReuseRules = {
    scope,
    isForAll: isForAll(directives),
    isSilent: !says && !isForAll(directives),
    initialAgeMs: initialAgeOf(headers, times),
    lifetimeMs: lifetimeOf(response, directives, isTargeted, times.responseTime, lifetime),
    ...staleTimesOf(directives, settings),
    alwaysValidate: directives.noCache === true && !settings.override,
    hiddenFields,
    vary,
  };
  return isUseful(rules, headers) ? { isStorable: true, rules } : rejected('not fresh');
}

function hiddenBy({ private: ofOne, noCache }: Directives): readonly string[] {
  if (typeof ofOne === 'boolean') return typeof noCache === 'boolean' ? NONE : noCache;
  return typeof noCache === 'boolean' ? ofOne : [...ofOne, ...noCache];
}

const NONE: readonly string[] = [];

function rejected(reason: string): Storability {
  return { isStorable: false, reason };
}

function findProhibition(
  status: number,
  headers: HeaderList,
  directives: Directives,
  requestTraits: RequestTraits,
): string | undefined {
  if (status < 200 || status === 206 || status === 304) return 'status';
  if (directives.mustUnderstand) {
    if (!UNDERSTOOD.has(status)) return 'status';
  } else if (directives.noStore) return 'no-store';
  if (requestTraits.directives.noStore) return 'request no-store';
  if (parseDirectives(headers.get('pragma')).noCache === true && !headers.has('cache-control'))
    return 'pragma';
  return undefined;
}

/**
 * Nothing of the configuration lifts the subject's claim to its answers; only the response itself can. One that depends
 * on `Authorization` stays with the subject: the gateway may put a token of its own there.
 */
function scopeOf(
  directives: Directives,
  { isIdentified, hasAuthorization }: RequestTraits,
  settings: StoreSettings,
  vary: readonly string[],
): CacheScope | undefined {
  const isShared = isForAll(directives) && !(isIdentified && vary.includes('authorization'));
  if (directives.private === true || settings.private) {
    const mayBeStored = settings.private && isIdentified;
    return mayBeStored ? 'subject' : undefined;
  }
  if (isIdentified) return isShared ? 'everybody' : 'subject';
  return !hasAuthorization || isShared ? 'everybody' : undefined;
}

/**
 * Whether an answer is selected by all by which the service may know who was calling, without a policy here that did:
 * cookies and headers that name somebody are who somebody is to services that may not know of caches.
 */
export function selectsCaller(
  vary: readonly string[],
  { hasCookies, callerFields }: Pick<RequestTraits, 'hasCookies' | 'callerFields'>,
): boolean {
  return (!hasCookies || vary.includes('cookie')) && callerFields.every((name) => vary.includes(name));
}

function isForAll(directives: Directives): boolean {
  return directives.public || directives.sMaxage !== undefined;
}

function namesLifetime(directives: Directives, headers: HeaderList, isTargeted: boolean): boolean {
  const { maxAge, sMaxage } = directives;
  return maxAge !== undefined || sMaxage !== undefined || (!isTargeted && headers.has('expires'));
}

function isStorableStatus(
  status: number,
  hasLifetime: boolean,
  { statuses, heuristic }: StoreSettings,
): boolean {
  if (statuses !== undefined) return statuses.has(status);
  return hasLifetime || heuristic || DEFAULT_STATUSES.has(status);
}

/**
 * `must-revalidate` and `proxy-revalidate` win over all that allows stale use (RFC 9111 §4.2.4). `s-maxage` says the
 * same to caches, unless the response names a stale time beside it, as it does for caches that know RFC 5861.
 */
function staleTimesOf(
  directives: Directives,
  settings: StoreSettings,
): Pick<ReuseRules, 'staleWhileRevalidateMs' | 'staleIfErrorMs' | 'neverStale'> {
  const { staleWhileRevalidate, staleIfError, sMaxage } = directives;
  const neverStale =
    directives.mustRevalidate ||
    directives.proxyRevalidate ||
    directives.noCache === true ||
    (sMaxage !== undefined && staleWhileRevalidate === undefined && staleIfError === undefined);
  if (neverStale) return { staleWhileRevalidateMs: 0, staleIfErrorMs: 0, neverStale };
  const own = sMaxage !== undefined ? 0 : undefined;
  return {
    staleWhileRevalidateMs: toMs(staleWhileRevalidate) ?? own ?? settings.staleWhileRevalidateMs,
    staleIfErrorMs: toMs(staleIfError) ?? own ?? settings.staleIfErrorMs,
    neverStale,
  };
}

function toMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

/** Whether it could ever be used: while fresh, while stale, or after a validation. */
function isUseful(rules: ReuseRules, headers: HeaderList): boolean {
  const { lifetimeMs, initialAgeMs, staleWhileRevalidateMs, staleIfErrorMs, alwaysValidate } = rules;
  if (headers.has('etag') || headers.has('last-modified')) return true;
  if (alwaysValidate) return false;
  return lifetimeMs + Math.max(staleWhileRevalidateMs, staleIfErrorMs) > initialAgeMs;
}
