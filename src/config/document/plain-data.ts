import type { DocumentFault } from './document.ts';

const ITSELF = 'contains itself';
const WRITE_OUT = 'write it out, or take the reference to itself away';
const PLAIN_ONLY = 'export plain data only: maps, lists, text, numbers, true and false';

/** Copies what a TypeScript configuration exports, and names everything in it that is more than data. */
export function copyPlainData(exported: unknown): { data: unknown; faults: DocumentFault[] } {
  const faults: DocumentFault[] = [];
  const above = new Set<object>();

  const copy = (value: unknown, path: PropertyKey[]): unknown => {
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

  return { data: copy(exported, []), faults };
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
