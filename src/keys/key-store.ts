import type { ApiKeyRecord } from '../core/identity/api-keys.ts';

/** A key as it is stored: what is known of it, and the hashes of its secrets. */
export interface StoredKey {
  readonly record: Omit<ApiKeyRecord, 'lastUsedAt' | 'formerEndsAt'>;
  /** The current one first, then the one before the last rotation. */
  readonly secrets: readonly StoredSecret[];
}

export interface StoredSecret {
  /** HMAC-SHA-256 of the whole key, as base64url. */
  readonly hash: string;
  /** Milliseconds since 1970. */
  readonly endsAt?: number | undefined;
}

/** A stored key as it was read. */
export interface FoundKey extends StoredKey {
  /** The change that made it so, by which a replacement tells that nobody else changed it meanwhile. */
  readonly revision: number;
  readonly lastUsedAt: number | undefined;
}

/** How far somebody knows what was changed. */
export interface KeyPosition {
  /** Another one in a store that was emptied and filled again. */
  readonly epoch: string;
  /** That of the last change. Lower than before where the store has lost changes. */
  readonly revision: number;
}

/** What has been changed since a position. */
export interface KeyChanges {
  readonly position: KeyPosition;
  /** Ids of the keys that are new, changed or gone; `all` where that is not remembered. */
  readonly ids: readonly string[] | 'all';
}

/**
 * Keeps keys, for several processes at a time. Whatever fails because the store is away rejects or throws, and nothing
 * is waited for longer than a moment.
 */
export interface KeyStore {
  find(id: string): FoundKey | undefined | Promise<FoundKey | undefined>;
  list(): Promise<readonly FoundKey[]>;
  /** Adds a key. Resolves when it is sure to last; `false` where its id is taken. */
  insert(key: StoredKey): Promise<boolean>;
  /** Replaces a key as it was found. `false` where it has been changed or deleted meanwhile. */
  replace(key: StoredKey, revision: number): Promise<boolean>;
  /** Tells whether there was one. */
  delete(id: string): Promise<boolean>;
  /** Writes down when keys were used last: one write for all. Later times stay. */
  markUsed(uses: ReadonlyMap<string, number>): Promise<void>;
  /** Tells what was changed, by whichever process, since the position that it gave before, if it did. */
  changesSince(position: KeyPosition | undefined): KeyChanges | Promise<KeyChanges>;
  close(): Promise<void>;
}

/** Says that a store is there, but not to be used by us, whenever it is tried again. */
export class KeyStoreRejection extends Error {
  override readonly name = 'KeyStoreRejection';
}
