/** A request that carries an idempotency key, as the store knows it. Nothing in it can be read back. */
export interface IdempotencyClaim {
  /** Hash of the caller, by which the room is shared fairly. */
  readonly caller: string;
  /** Hash of the caller and the key. */
  readonly key: string;
  /** Hash of the request: of two with one key, whether they are the same. */
  readonly fingerprint: string;
  /** Which of several requests with one key this is. */
  readonly owner: string;
}

/**
 * What came of a claim: it is the first, and runs now; another one runs, or has run; or there is no room to note it.
 * `record` is what the other one has stored, `undefined` where that was not kept.
 */
export type ClaimVerdict =
  | { readonly kind: 'claimed' }
  | { readonly kind: 'running'; readonly fingerprint: string }
  | { readonly kind: 'done'; readonly fingerprint: string; readonly record: Buffer | undefined }
  | { readonly kind: 'full' };

/**
 * Notes which requests with an idempotency key run and have run, for all processes that share this. Each method is one
 * atomic step, and rejects where the store cannot be reached.
 */
export interface IdempotencyStore {
  /**
   * Claims a key for `leaseMs`, or renews the claim of the same owner, also where it was lost meanwhile. A claim that is
   * neither renewed nor finished expires, as that of a process that died.
   */
  claim(claim: IdempotencyClaim, leaseMs: number): ClaimVerdict | Promise<ClaimVerdict>;
  /** Stores what came of it for `ttlMs`. Gives `false` where another owner has the key by now. */
  finish(claim: IdempotencyClaim, record: Buffer, ttlMs: number): boolean | Promise<boolean>;
  /** Gives the key back, as if it had never been claimed. */
  release(claim: IdempotencyClaim): void | Promise<void>;
}
