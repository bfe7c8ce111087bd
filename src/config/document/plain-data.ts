import type { ConfigPath } from '../problem.ts';
import type { DocumentFault } from './document.ts';

const ITSELF = 'contains itself';
const WRITE_OUT = 'write it out, or take the reference to itself away';
const PLAIN_ONLY = 'export plain data only: maps, lists, text, numbers, true and false';

/** Where code may stand as a value, what it has to be there, and what to write where it is something else. */
const CODE_PLACES = [
  {
    place: ['customPolicies', '*'],
    fits: isObject,
    fault: 'is not a policy — give one that definePolicy made, or name the file that exports it',
  },
  {
    place: ['upstreams', '*', 'app'],
    fits: (value: unknown) => typeof value === 'function',
    fault: 'is not a Fastify plugin — give the function, or name the file that exports it',
  },
  {
    place: ['authServices', '*', 'code'],
    fits: (value: unknown) =>
      isObject(value) && typeof (value as { verifyToken?: unknown }).verifyToken === 'function',
    fault: 'is not an auth service — give one that defineAuthService made, or name the file that exports it',
  },
  {
    place: ['routes', '*', 'aggregate', 'compose'],
    fits: (value: unknown) => typeof value === 'function',
    fault: 'is not a function — give one that compose made, or name the file that exports it',
  },
] as const;

/** Gives code a name, by which it stands in the data. */
export type NameCode = (code: object, path: ConfigPath) => string;

/**
 * Copies what a configuration in code holds, and names everything in it that is more than data. Code at places that are
 * for it becomes its name.
 */
export function copyPlainData(
  written: unknown,
  nameCode: NameCode,
): { data: unknown; faults: DocumentFault[] } {
  const faults: DocumentFault[] = [];
  const above = new Set<object>();

  const copy = (value: unknown, path: PropertyKey[]): unknown => {
    const code = codePlaceOf(path);
    if (code !== undefined && isCode(value)) {
      if (code.fits(value)) return nameCode(value, path);
      faults.push({ path, text: code.fault });
      return undefined;
    }
    const fault = findFault(value, above);
    if (fault !== undefined) {
      faults.push({
        path,
        text: `${fault} — ${fault === ITSELF ? WRITE_OUT : PLAIN_ONLY}`,
      });
      return undefined;
    }
    if (typeof value !== 'object' || value === null) return value;
    above.add(value);
    const copied = Array.isArray(value)
      ? Array.from(value, (item, i) => copy(item, [...path, i]))
      : Object.fromEntries(
          Object.entries(value)
            .filter(([, item]) => item !== undefined)
            .map(([key, item]) => [key, copy(item, [...path, key])]),
        );
    above.delete(value);
    return copied;
  };

  return { data: copy(written, []), faults };
}

function codePlaceOf(path: ConfigPath): (typeof CODE_PLACES)[number] | undefined {
  return CODE_PLACES.find(
    ({ place }) => place.length === path.length && place.every((step, i) => step === '*' || step === path[i]),
  );
}

function isCode(value: unknown): value is object {
  return typeof value === 'function' || isObject(value);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function findFault(value: unknown, above: ReadonlySet<object>): string | undefined {
  switch (typeof value) {
    case 'function':
      return 'is a function';
    case 'symbol':
    case 'bigint':
      return `is a ${typeof value}`;
    case 'object':
      break;
    default:
      return undefined;
  }
  if (value === null || Array.isArray(value)) return value && above.has(value) ? ITSELF : undefined;
  if (above.has(value)) return ITSELF;
  const prototype: unknown = Object.getPrototypeOf(value);
  // A foreign realm's Object.prototype has no prototype of its own either.
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return isPlain ? undefined : 'is an instance of a class';
}
