import type { AddressBlocks } from '../address-blocks.ts';
import type { Identity } from './identity.ts';

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
  /** Until when the key before the last rotation is taken, where it still is. */
  readonly formerEndsAt?: number | undefined;
  readonly isDisabled: boolean;
}

/** A key that is good now, with all that a request needs of it made ready. One object serves many requests. */
export interface VerifiedApiKey {
  readonly record: ApiKeyRecord;
  readonly identity: Identity;
  readonly routes: ReadonlySet<string> | undefined;
  readonly addresses: AddressBlocks | undefined;
}

/** Why a key is not taken: a word for log and metrics. */
export type ApiKeyRejection = 'malformed' | 'unknown' | 'expired' | 'disabled' | 'unavailable';

/** Finds out what a presented API key is. */
export interface ApiKeyVerifier {
  /**
   * Returns what is known of a key that is good now; a word why not, for the log only; or `unavailable` where the store
   * cannot be reached. At once where it is known already. Never rejects.
   */
  verify(key: string): VerifiedApiKey | ApiKeyRejection | Promise<VerifiedApiKey | ApiKeyRejection>;
}

/** The API keys of this gateway. */
export interface ApiKeys {
  /** Opens their store when somebody first asks. Rejects, saying what to do, where that cannot be done. */
  open(): Promise<ApiKeyVerifier>;
}

/** What a new key is to be. */
export type NewApiKey = Pick<ApiKeyRecord, 'owner'> & Partial<ApiKeySettings>;

/** What can be changed of a key. `undefined` takes a restriction away. */
export type ApiKeyChange = Partial<ApiKeySettings & Pick<ApiKeyRecord, 'owner' | 'isDisabled'>>;

type ApiKeySettings = Pick<
  ApiKeyRecord,
  'roles' | 'permissions' | 'plan' | 'routes' | 'ips' | 'metadata' | 'expiresAt'
>;

/** A key that was just made: the only time that it is seen. */
export interface IssuedApiKey {
  readonly key: string;
  readonly record: ApiKeyRecord;
}

/** Makes, shows, changes and deletes API keys. Each rejects where the store cannot be reached. */
export interface ApiKeyAdministration {
  create(key: NewApiKey): Promise<IssuedApiKey>;
  list(): Promise<readonly ApiKeyRecord[]>;
  find(id: string): Promise<ApiKeyRecord | undefined>;
  change(id: string, change: ApiKeyChange): Promise<ApiKeyRecord | undefined>;
  /** Makes another key of the same id. The one before is taken for `graceMs` more, one before that no longer. */
  rotate(id: string, graceMs: number): Promise<IssuedApiKey | undefined>;
  /** Tells whether there was one. */
  delete(id: string): Promise<boolean>;
}
