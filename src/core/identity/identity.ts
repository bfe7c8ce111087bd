/** Who is calling, as a policy that identifies has found out. One object may serve many requests: it is never changed. */
export interface Identity {
  /** The user or client, as whoever vouches for it names it. */
  readonly subject: string;
  /** Its roles, none where nothing is said. */
  readonly roles: readonly string[];
  /** Its permissions, none where nothing is said. */
  readonly permissions: readonly string[];
  /** Name of the policy that identified: `jwt`, `api-key`, … */
  readonly method: string;
  /** All that was said about the subject: a token's claims, a key's metadata. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Id of the API key, where there is one; never the key. */
  readonly keyId?: string | undefined;
  /** What the caller has bought, which chooses its limits. */
  readonly plan?: string | undefined;
  /** Seconds since 1970 at which this ends, where it does. */
  readonly expiresAt?: number | undefined;
}

/**
 * Finds a claim by its name, or, where there is none of that name, by a path through nested ones: `realm_access.roles`.
 * At each step a name with dots in it goes before a path: `resource_access.orders.api.roles` finds the client `orders.api`.
 */
export function findClaim(claims: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  for (let dot = name.lastIndexOf('.'); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
    const key = name.slice(0, dot);
    const value = Object.hasOwn(claims, key) ? claims[key] : undefined;
    if (typeof value !== 'object' || value === null) continue;
    const found = findClaim(value as Record<string, unknown>, name.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Gives a claim as text, where it is one that all readers agree about: a text, a boolean, or a number. Beyond 2^53 a
 * number stands for its neighbours as well (RFC 8259 §6), so it identifies no single caller.
 */
export function exactText(claim: unknown): string | undefined {
  if (typeof claim === 'string') return claim;
  if (typeof claim === 'number') return isExact(claim) ? String(claim) : undefined;
  return typeof claim === 'boolean' ? String(claim) : undefined;
}

/** Tells whether a number is the one that was written, as far as can be told by itself. */
export function isExact(number: number): boolean {
  return Number.isFinite(number) && (!Number.isInteger(number) || Number.isSafeInteger(number));
}

/** The fields in which the gateway tells a target who is calling. */
export const IDENTITY_HEADERS = ['x-auth-subject', 'x-auth-roles', 'x-auth-permissions'] as const;
