import type { JsonValue } from './json-value.ts';

/** Tells whether two values are equal: texts, numbers by what they are worth, booleans, and null, which is also what is missing. */
export function isEqual(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  const kind = a?.kind ?? 'null';
  if (kind !== (b?.kind ?? 'null')) return false;
  if (a === undefined || b === undefined || kind === 'null') return true;
  if (kind === 'number') return orderOf(a.json, b.json) === 0;
  // Lists and maps equal nothing: what their members are is asked one by one.
  return kind !== 'list' && kind !== 'map' && a.text === b.text;
}

/** Tells which of two numbers is greater, -1, 0 or 1; `undefined` where one of the two is none. */
export function compareNumbers(a: JsonValue | undefined, b: JsonValue | undefined): number | undefined {
  return a?.kind === 'number' && b?.kind === 'number' ? orderOf(a.json, b.json) : undefined;
}

const WHOLE = /^-?\d{1,1000}$/;

/** Whole numbers are compared in all their digits, which may be more than JavaScript's numbers have. */
function orderOf(a: string, b: string): number {
  if (a === b) return 0;
  const areWhole = WHOLE.test(a) && WHOLE.test(b);
  return areWhole ? order(BigInt(a), BigInt(b)) : order(Number(a), Number(b));
}

function order<T extends number | bigint>(a: T, b: T): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
