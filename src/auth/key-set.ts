import type { PublicKey } from '../config/key-material/public-key.ts';
import type { SignatureAlgorithm } from '../config/key-material/signature-algorithms.ts';

/** A key that signatures are verified with: public, or a secret. */
export type VerificationKey = Omit<PublicKey, 'algorithms'> & {
  readonly algorithms: readonly SignatureAlgorithm[];
};

/** The keys that fit a token, most likely one; or that nothing is known, since the set cannot be had. */
export type FoundKeys = readonly VerificationKey[] | 'unavailable';

/** The keys of one issuer. */
export interface KeySet {
  /** The issuer whose keys they are, where the set itself says so. */
  readonly issuer: string | undefined;
  /** Finds the keys that a token of this algorithm and key id may be signed with. Never rejects. */
  find(algorithm: SignatureAlgorithm, keyId: string | undefined): FoundKeys | Promise<FoundKeys>;
  /** Says what is wrong with the set, and what was found instead, if anything. */
  problem?(): string | undefined;
  close(): void;
}

/** How many keys are tried for a token that names none. */
const MAX_TRIED = 4;

/** Makes a set of one key that does not change. */
export function createFixedKeySet(key: VerificationKey): KeySet {
  return {
    issuer: undefined,
    find(algorithm, keyId) {
      const isMeant = keyId === undefined || key.id === undefined || key.id === keyId;
      return isMeant && key.algorithms.includes(algorithm) ? [key] : [];
    },
    close() {},
  };
}

/**
 * Picks the keys that fit: the one of that id, or, for a token that names none, those for its algorithm. A key without an
 * id may be the one that is named (RFC 7517 §4.5).
 */
export function matchKeys(
  keys: readonly VerificationKey[],
  algorithm: SignatureAlgorithm,
  keyId: string | undefined,
): VerificationKey[] {
  const fitting = keys.filter(({ algorithms }) => algorithms.includes(algorithm));
  if (keyId === undefined) return fitting.slice(0, MAX_TRIED);
  const named = fitting.filter(({ id }) => id === keyId);
  const unnamed = fitting.filter(({ id }) => id === undefined);
  return (named.length > 0 ? named : unnamed).slice(0, MAX_TRIED);
}
