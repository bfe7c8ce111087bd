import type { HeaderList } from '../header-list.ts';

/** Whose requests a stored response may answer: everybody's, or those of the subject that asked for it. */
export type CacheScope = 'everybody' | 'subject';

/** How a stored response may be used. Times in milliseconds. */
export interface ReuseRules {
  readonly scope: CacheScope;
  /** Whether the response itself says that it is for all (`public`, `s-maxage`), so that callers who are known may have it. */
  readonly isForAll: boolean;
  /** Whether the response itself says nothing of how long it is fresh, so that only the configuration lets it be stored. */
  readonly isSilent: boolean;
  readonly initialAgeMs: number;
  readonly lifetimeMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  /** Whether it must be validated before each use (`no-cache`). */
  readonly alwaysValidate: boolean;
  /** Whether it must never be used stale, whatever else allows it. */
  readonly neverStale: boolean;
  /** The fields that are not kept: those that `private` and `no-cache` name. In lower case. */
  readonly hiddenFields: readonly string[];
  /** The request fields that select it, in lower case, sorted. */
  readonly vary: readonly string[];
}

/** A response as it is stored: one variant of a resource. Never changed; an update stores another. */
export interface StoredResponse {
  readonly status: number;
  /** Without what frames the body and belongs to the connection. */
  readonly headers: HeaderList;
  readonly body: Buffer;
  readonly rules: ReuseRules;
  /** The values of the request fields in `rules.vary`, as one text. */
  readonly variantKey: string;
  /** When its head came, in milliseconds since 1970. */
  readonly responseTime: number;
  /** Whether it was marked stale by a purge, in milliseconds since 1970. */
  readonly staleSince: number | undefined;
  readonly tags: readonly string[];
  /** `CacheStore.purges` when it was asked for: what was purged since then must not be stored as if it were new. */
  readonly requestedAt: number;
}

/** What is stored under one key: its variants, the newest first. */
export interface CachedResource {
  /** Authority, path and query, by which it is purged. */
  readonly url: string;
  readonly responses: readonly StoredResponse[];
}

/** What is to be forgotten, or with `soft` to be taken for stale. */
export type Purge = { readonly soft: boolean } & (
  | { readonly kind: 'all' }
  /** An exact URL: `api.example.com/orders?page=2`, all of its variants. */
  | { readonly kind: 'url'; readonly value: string }
  /** The beginning of URLs. */
  | { readonly kind: 'prefix'; readonly value: string }
  /** A whole tag. */
  | { readonly kind: 'tag'; readonly value: string }
);

/** Where a purge holds once it is answered. */
export interface PurgeReach {
  /** In how many processes it is known to hold, this one included. */
  readonly reached: number;
  /** The others, a few words each: who, and why it is not known to hold there. */
  readonly unreached: readonly string[];
}

export interface CacheStanding {
  readonly bytes: number;
  readonly maxBytes: number;
  readonly resources: number;
}

/** Keeps responses of all routes. */
export interface CacheStore {
  /** How many purges there were: a response that was asked for before one may be what that one was about. */
  readonly purges: number;
  /** Finds what is stored under `key`, without what was purged. A promise only where another store has to be asked. */
  find(key: string): CachedResource | undefined | Promise<CachedResource | undefined>;
  /** Gives a resource that was found a while ago without what was purged since. */
  recheck(resource: CachedResource): CachedResource | undefined;
  /** Stores a response, in place of the variant that it is another version of. */
  keep(key: string, url: string, response: StoredResponse): void;
  /** Takes a response out. */
  drop(key: string, response: StoredResponse): void;
  /**
   * Purges. It holds here at once. When it resolves, nothing that was purged is served any more by all that it reached.
   * Never rejects.
   */
  purge(purge: Purge): Promise<PurgeReach>;
  /** Takes room for a body that is still coming, or rejects it. */
  reserve(bytes: number): boolean;
  release(bytes: number): void;
  standing(): CacheStanding;
  /** What several gateways do together, where they do. */
  readonly together?: SharedFetches | undefined;
}

/** Lets one of several gateways fetch what all of them want. */
export interface SharedFetches {
  /**
   * Waits for the turn to fetch `key`: until nobody else fetches it, or for as long as is worth it. `undefined` where each
   * fetches for itself: its answers cannot be shared, or the others cannot be reached.
   */
  acquireFetchLock(key: string, signal: AbortSignal): Promise<FetchLock | undefined>;
  /** Finds what another gateway may have stored, whatever is stored here. */
  findElsewhere(key: string): Promise<CachedResource | undefined>;
}

export interface FetchLock {
  /** Whether somebody else had it before. */
  readonly hasWaited: boolean;
  /** Ends the turn. `keys` are those under which the answer may have been stored; `isShareable` tells whether it was any that could be. */
  end(keys: readonly string[], isShareable: boolean): void;
}
