import { freezeData, frozenCopy } from './frozen-data.ts';
import type { Identity } from './identity.ts';

/** What went through `sealIdentity`. No other object can pass for one, whatever code has copied of it. */
const sealed = new WeakSet<object>();

/** Characters that a subject, a plan or one role may have, and all roles and permissions together. */
const MAX_NAME_CHARS = 8 * 1024;
const MAX_LIST_CHARS = 256 * 1024;
/** Characters of claims as JSON. */
const MAX_CLAIM_CHARS = 256 * 1024;

/**
 * Makes an identity of what a way in said, the only kind that an exchange takes: checked, copied, and frozen down to its
 * claims, since one object may serve many requests. What is one already is given back. `method` is for one that names
 * none. Throws `TypeError` for whatever is not an identity: code may give anything.
 */
export function sealIdentity(said: unknown, method: string): Identity {
  if (typeof said !== 'object' || said === null) throw new TypeError(`an identity is no ${kindOf(said)}`);
  if (sealed.has(said)) return said as Identity;
  // Read once: behind a name may be a getter that says something else the next time.
  const { subject, roles, permissions, claims, keyId, plan, expiresAt, ...rest } = said as Partial<Identity>;
  const identity: Identity = Object.freeze({
    // An empty one names nobody, which is for those to reject who have to find out who calls.
    subject: subject === '' ? '' : nameOf('subject', subject),
    roles: namesOf('roles', roles),
    permissions: namesOf('permissions', permissions),
    method: rest.method === undefined ? method : nameOf('method', rest.method),
    claims: claims === undefined ? NO_CLAIMS : frozenCopyOf('claims', claims),
    keyId: keyId === undefined ? undefined : nameOf('keyId', keyId),
    plan: plan === undefined ? undefined : nameOf('plan', plan),
    expiresAt: expiresAt === undefined ? undefined : readSeconds('expiresAt of an identity', expiresAt),
  });
  sealed.add(identity);
  return identity;
}

/** Tells whether an identity has ended. `now` is in milliseconds since 1970. */
export function hasEnded({ expiresAt }: Identity, now: number): boolean {
  return expiresAt !== undefined && now >= expiresAt * 1000;
}

/** The end of the year 9999: a later time in seconds is one in milliseconds, which would never end. */
export const LAST_SECOND = 253_402_300_799;

/** Reads a time that code gave, in seconds since 1970; one in the past is one. Throws `TypeError` for what is none. */
export function readSeconds(what: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new TypeError(`${what} is not a number of seconds since 1970`);
  if (value > LAST_SECOND) throw new TypeError(`${what} is in milliseconds — write seconds since 1970`);
  return value;
}

/** Copies a list of texts that code gave, frozen. Throws `TypeError` for what is none. */
export function namesOf(what: string, value: unknown): string[] {
  if (!Array.isArray(value)) throw new TypeError(`${what} of an identity are not a list of texts`);
  const names: string[] = [];
  let chars = 0;
  for (let i = 0; i < value.length; i++) {
    const name: unknown = value[i];
    if (typeof name !== 'string') throw new TypeError(`${what} of an identity are not a list of texts`);
    chars += name.length + 1;
    if (chars > MAX_LIST_CHARS)
      throw new TypeError(`${what} of an identity are longer than ${MAX_LIST_CHARS} characters`);
    names.push(name);
  }
  return freezeData(names);
}

/** Takes a text that is not empty. Throws `TypeError` for what is none. */
export function nameOf(what: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new TypeError(`${what} of an identity is not text`);
  if (value.length > MAX_NAME_CHARS)
    throw new TypeError(`${what} of an identity is longer than ${MAX_NAME_CHARS} characters`);
  return value;
}

/** Copies the claims that code gave, as JSON would say them, frozen. Throws `TypeError` for what is none. */
export function frozenCopyOf(what: string, value: unknown): Readonly<Record<string, unknown>> {
  try {
    return frozenCopy(value, MAX_CLAIM_CHARS);
  } catch (cause) {
    throw new TypeError(`${what} of an identity cannot be read`, { cause });
  }
}

const NO_CLAIMS: Readonly<Record<string, unknown>> = freezeData({});

function kindOf(value: unknown): string {
  return value === null ? 'null' : typeof value;
}
