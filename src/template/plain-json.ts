import { isPromise } from '../core/is-promise.ts';
import type { JsonValue } from './json-value.ts';

/** What frozen lists and maps were made of, so that they are written as they came. */
const origins = new WeakMap<object, JsonValue>();

/**
 * Makes data for code of the user: frozen, so that a list or map which code gives back whole is written byte for byte as
 * it came. Whole numbers beyond 2^53 are bigints.
 */
export function toData(value: JsonValue): unknown {
  switch (value.kind) {
    case 'list':
      return keep(value.items.map(toData), value);
    case 'map':
      return keep(
        Object.fromEntries([...value.members].map(([name, member]) => [name, toData(member)])),
        value,
      );
    case 'number':
      return numberOf(value.json);
    default:
      return JSON.parse(value.json);
  }
}

function keep<T extends object>(data: T, origin: JsonValue): T {
  origins.set(data, origin);
  return Object.freeze(data);
}

function numberOf(text: string): number | bigint {
  const number = Number(text);
  const isExact = !Number.isInteger(number) || Number.isSafeInteger(number);
  return isExact || !/^-?\d+$/.test(text) ? number : BigInt(text);
}

/** Writes what code gave as JSON, as `JSON.stringify` does, and bigints as the numbers they are. Throws `TypeError`. */
export function writeData(data: unknown): string {
  const json = writeValue(data, '', 0);
  if (json === undefined) throw new TypeError(`gave ${typeof data}, which JSON does not know`);
  return json;
}

const MAX_DEPTH = 200;

function writeValue(data: unknown, key: string, depth: number): string | undefined {
  if (depth > MAX_DEPTH)
    throw new TypeError(`gave what is nested more than ${MAX_DEPTH} deep, or contains itself`);
  if (typeof data === 'bigint') return String(data);
  if (typeof data !== 'object' || data === null) return JSON.stringify(data);
  if (isPromise(data)) {
    // It would be `{}`, and what it rejects with nobody's.
    Promise.resolve(data).catch(() => {});
    throw new TypeError('gave a promise within what it gives — await it');
  }
  const origin = origins.get(data);
  if (origin !== undefined) return origin.json;
  const { toJSON } = data as { toJSON?: unknown };
  if (typeof toJSON === 'function') return writeValue(toJSON.call(data, key), key, depth + 1);
  if (Array.isArray(data))
    return `[${Array.from(data, (item, i) => writeValue(item, String(i), depth + 1) ?? 'null').join(',')}]`;
  const members = Object.entries(data).flatMap(([name, member]) => {
    const json = writeValue(member, name, depth + 1);
    return json === undefined ? [] : [`${JSON.stringify(name)}:${json}`];
  });
  return `{${members.join(',')}}`;
}
