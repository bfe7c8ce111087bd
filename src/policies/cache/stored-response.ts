import { createHash } from 'node:crypto';
import type { ResponseTimes } from '../../cache/freshness.ts';
import { judgeStorability, type Storability, type StoreSettings } from '../../cache/storability.ts';
import { tagsOf } from '../../cache/tags.ts';
import { variantKeyOf } from '../../cache/vary.ts';
import { compactHeaders } from '../../core/fields/compact-headers.ts';
import type { HeaderList } from '../../core/header-list.ts';
import { NameSet } from '../../core/identity/name-set.ts';
import type { ReuseRules, StoredResponse } from '../../core/stores/cache-store.ts';
import { type CacheRequest, isCondition } from './cache-request.ts';

/** The head of a response, and when it was asked for and came. */
export interface ResponseMetadata {
  readonly status: number;
  readonly headers: HeaderList;
  readonly times: ResponseTimes;
  /** `CacheStore.purges` when it was asked for. */
  readonly requestedAt: number;
}

/** Decides whether a response to this request may be stored. */
export function judgeResponse(
  request: CacheRequest,
  { status, headers, times }: ResponseMetadata,
  settings: StoreSettings,
  hasCookies = request.hasCookies,
): Storability {
  const requestTraits = {
    isIdentified: request.isIdentified,
    hasAuthorization: request.hasAuthorization,
    hasCookies,
    callerFields: request.callerFields,
    directives: request.forStoring,
  };
  return judgeStorability({ status, headers }, requestTraits, times, settings);
}

export const MADE_HERE: Storability = { isStorable: false, reason: 'vary' };

/**
 * Tells whether a response that may be stored depends on what policies behind the cache have made of a header: by what
 * clients have sent, in `received`, none could be told from another then. One of a single caller has all of that in its key.
 */
export function isMadeHere(judged: Storability, received: HeaderList, sent: HeaderList): boolean {
  if (!judged.isStorable || judged.rules.scope === 'subject') return false;
  return judged.rules.vary.some((name) => {
    const value = sent.get(name);
    return value !== undefined && value !== received.get(name) && !isCondition(name);
  });
}

/** Makes what is stored of a response, its body still missing. `requestHeaders` are those that it was selected by. */
export function toStored(
  answered: ResponseMetadata,
  rules: ReuseRules,
  requestHeaders: HeaderList,
): StoredResponse {
  const { status, headers, times, requestedAt } = answered;
  return {
    status,
    headers: storableHeaders(headers, rules.hiddenFields),
    body: NO_BODY,
    rules,
    variantKey: variantKeyOf(rules.vary, requestHeaders),
    responseTime: times.responseTime,
    staleSince: undefined,
    tags: tagsOf(headers),
    requestedAt,
  };
}

const NO_BODY = Buffer.alloc(0);

/**
 * Fields between a client and the proxy next to it, which are nobody else's (RFC 9111 §3.1); `Age`, on which we count; and
 * tags, which are for purging and no client's business.
 */
const NOT_STORED = new NameSet([
  ...[
    'connection',
    'content-length',
    'proxy-authenticate',
    'proxy-authentication-info',
    'proxy-authorization',
  ],
  ...['age', 'cache-tag', 'surrogate-key'],
]);

/** The received head would else be kept whole, with all that was removed from it. */
function storableHeaders(headers: HeaderList, hidden: readonly string[]): HeaderList {
  const kept = headers.clone();
  kept.deleteAll(NOT_STORED);
  for (const name of hidden) kept.delete(name);
  return compactHeaders(kept);
}

/** Gives a response without an entity tag one of its own, made of its bytes: strong, since they are the same (RFC 9110 §8.8.3). */
export function withOwnEtag(stored: StoredResponse): StoredResponse {
  if (stored.headers.has('etag') || stored.status !== 200) return stored;
  const headers = stored.headers.clone();
  headers.append('ETag', `"${createHash('sha256').update(stored.body).digest('base64url').slice(0, 27)}"`);
  return { ...stored, headers: compactHeaders(headers) };
}

/** Where a response stands: with what is for everybody, or with what belongs to who asked. */
export function keyOf(request: CacheRequest, { rules }: StoredResponse): string {
  return rules.scope === 'subject' ? (request.subjectKey as string) : request.key;
}
