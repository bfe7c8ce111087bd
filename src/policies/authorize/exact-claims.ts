import { isExact } from '../../core/identity/identity.ts';

type Claims = Readonly<Record<string, unknown>>;

/** Claims serve many requests, so each is looked through once. */
const known = new WeakMap<Claims, Claims>();

/**
 * Gives claims for expressions, in which a number that may stand for another one (beyond 2^53, or not a number) cannot be
 * read: reading it throws, which denies, however the expression would compare it.
 */
export function exactClaims(claims: Claims): Claims {
  let exact = known.get(claims);
  if (exact === undefined) {
    exact = guarded(claims) as Claims;
    known.set(claims, exact);
  }
  return exact;
}

/** The value itself, or a copy of it where there is such a number in it. */
function guarded(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([key, member]) => [key, member, guarded(member)] as const);
  if (members.every(([, member, guard]) => member === guard && !isInexact(member))) return value;
  const copy: object = Array.isArray(value) ? [] : {};
  for (const [key, member, guard] of members)
    Object.defineProperty(copy, key, {
      enumerable: true,
      ...(isInexact(member) ? { get: rejectReading } : { value: guard }),
    });
  return copy;
}

function isInexact(value: unknown): boolean {
  return typeof value === 'number' && !isExact(value);
}

function rejectReading(): never {
  throw new RangeError('a claim is a number that may stand for another one');
}
