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

/** Picks the keys that fit: the one of that id, or, for a token that names none, those for its algorithm. */
export function matchKeys(
  keys: readonly VerificationKey[],
  algorithm: SignatureAlgorithm,
  keyId: string | undefined,
): VerificationKey[] {
  const fitting = keys.filter(
    ({ id, algorithms }) => algorithms.includes(algorithm) && (keyId === undefined || id === keyId),
  );
  return fitting.slice(0, MAX_TRIED);
}
