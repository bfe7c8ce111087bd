import type { ClaimVerdict, IdempotencyClaim, IdempotencyStore } from '../core/stores/idempotency-store.ts';

/** What workers call at their supervisor, which notes the idempotency keys of all of them. */
export interface IdempotencyMethods {
  claimKey(claim: IdempotencyClaim, leaseMs: number): Promise<ClaimVerdict>;
  finishKey(claim: IdempotencyClaim, record: Uint8Array, ttlMs: number): Promise<boolean>;
  releaseKey(claim: IdempotencyClaim): Promise<void>;
}

/** Has the supervisor note idempotency keys, so that each is claimed once in all workers together. */
export function shareIdempotency(supervisor: IdempotencyMethods): IdempotencyStore {
  return {
    async claim(claim, leaseMs) {
      const verdict = await supervisor.claimKey(claim, leaseMs);
      // A message carries bytes, and not always as a Buffer.
      return verdict.kind === 'done' && verdict.record !== undefined
        ? { ...verdict, record: asBuffer(verdict.record) }
        : verdict;
    },
    finish: (claim, record, ttlMs) => supervisor.finishKey(claim, record, ttlMs),
    release: (claim) => supervisor.releaseKey(claim),
  };
}

/** Notes them for one worker, in the store that all have. */
export function serveIdempotency(store: IdempotencyStore): IdempotencyMethods {
  return {
    claimKey: async (claim, leaseMs) => store.claim(claim, leaseMs),
    finishKey: async (claim, record, ttlMs) => store.finish(claim, asBuffer(record), ttlMs),
    releaseKey: async (claim) => store.release(claim),
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
