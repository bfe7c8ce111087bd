import type { ApiKeyRecord } from '../core/identity/api-keys.ts';
import type { FoundKey } from './key-store.ts';

/** Makes what may be shown of a stored key: all but the hashes. */
export function recordOf({ record, secrets, lastUsedAt }: FoundKey, now: number): ApiKeyRecord {
  const formerEndsAt = secrets[1]?.endsAt;
  return {
    ...record,
    lastUsedAt,
    formerEndsAt: formerEndsAt !== undefined && formerEndsAt > now ? formerEndsAt : undefined,
  };
}
