/** What is known of an API key, but for the key itself, which nobody keeps. */
export interface ApiKeyRecord {
  readonly id: string;
  readonly owner: string;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  readonly plan?: string | undefined;
  /** Ids of the routes that it opens; left out: all that ask for a key. */
  readonly routes?: readonly string[] | undefined;
  /** Addresses and ranges that it may come from; left out: all. */
  readonly ips?: readonly string[] | undefined;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly expiresAt?: number | undefined;
  readonly lastUsedAt?: number | undefined;
  readonly isDisabled: boolean;
}

/** Finds out what a presented API key is. */
export interface ApiKeys {
  /**
   * Returns the record of a key that is good now; a word why not (`unknown`, `expired`, `disabled`), for the log only;
   * or `unavailable` where the store cannot be asked. At once where it is known already.
   */
  verify(key: string): ApiKeyRecord | ApiKeyRefusal | Promise<ApiKeyRecord | ApiKeyRefusal>;
}

export type ApiKeyRefusal = 'malformed' | 'unknown' | 'expired' | 'disabled' | 'unavailable';
