/** Why a request went to the upstream (RFC 9211 §2.2). */
export type ForwardReason =
  | 'bypass'
  | 'method'
  | 'uri-miss'
  | 'vary-miss'
  | 'miss'
  | 'request'
  | 'stale'
  | 'partial';

/** What the cache did with a request. */
export type CacheVerdict =
  | { readonly kind: 'hit'; readonly ttlSeconds: number }
  | {
      readonly kind: 'forward';
      readonly reason: ForwardReason;
      readonly status?: number | undefined;
      readonly isStored?: boolean | undefined;
      /** Whether it waited for another request's answer. */
      readonly isCollapsed?: boolean | undefined;
    };

/** Writes the member that this cache adds to `Cache-Status` (RFC 9211 §2). */
export function writeCacheStatus(verdict: CacheVerdict): string {
  if (verdict.kind === 'hit') return `sallyport; hit; ttl=${verdict.ttlSeconds}`;
  let text = `sallyport; fwd=${verdict.reason}`;
  if (verdict.status !== undefined) text += `; fwd-status=${verdict.status}`;
  if (verdict.isStored === true) text += '; stored';
  if (verdict.isCollapsed === true) text += '; collapsed';
  return text;
}
