import type { ApiKeyRecord, IssuedApiKey } from './api-keys.ts';

/** Writes a record as people and programs are shown it: times in ISO 8601, `disabled` as it is set. */
export function describeApiKey(record: ApiKeyRecord): {
  readonly id: string;
  readonly [field: string]: unknown;
} {
  const { isDisabled, createdAt, expiresAt, lastUsedAt, formerEndsAt, ...rest } = record;
  return {
    ...rest,
    disabled: isDisabled,
    createdAt: timeOf(createdAt),
    expiresAt: timeOf(expiresAt),
    lastUsedAt: timeOf(lastUsedAt),
    formerEndsAt: timeOf(formerEndsAt),
  };
}

/** Writes a key that was just made, with what is known of it. */
export function describeIssuedKey({ key, record }: IssuedApiKey): Record<string, unknown> {
  const { id, ...rest } = describeApiKey(record);
  return { id, key, ...rest };
}

function timeOf(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}
