/** Data that was frozen here, down to its leaves. */
const frozen = new WeakSet<object>();

/** Freezes data that nobody else holds, such as parsed JSON, down to its leaves. Without recursion: it may be deep. */
export function freezeData<Value extends object>(value: Value): Value {
  const rest: object[] = [value];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (frozen.has(next)) continue;
    frozen.add(Object.freeze(next));
    for (const item of Object.values(next)) if (typeof item === 'object' && item !== null) rest.push(item);
  }
  return value;
}

/**
 * Copies what user code gave as data: what JSON can say of it, frozen. So nothing in it runs code or changes later.
 * Throws `TypeError` for what is not an object, or cannot be written as JSON in `maxChars`.
 */
export function frozenCopy(value: unknown, maxChars: number): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError('is not an object of names and values');
  if (frozen.has(value)) return value as Record<string, unknown>;
  const text = JSON.stringify(value);
  if (text === undefined || text[0] !== '{') throw new TypeError('is not an object of names and values');
  if (text.length > maxChars) throw new TypeError(`is larger than ${maxChars} characters of JSON`);
  return freezeData(JSON.parse(text) as Record<string, unknown>);
}
