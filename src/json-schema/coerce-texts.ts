import type { JsonEdit } from './edit-json.ts';
import { PLAIN_TEXT, readScalar, type WireType } from './wire-type.ts';

/**
 * Puts numbers and booleans in the place of texts that are written as such, where the schema takes no text: `"12"` becomes
 * 12. Nothing else is changed; null and empty texts stay what they are. Changes `value`, and gives what was changed.
 */
export function coerceTexts(
  value: unknown,
  type: WireType,
): { readonly value: unknown; readonly edits: JsonEdit[] } {
  const edits: JsonEdit[] = [];
  const visit = (at: unknown, about: WireType, path: (string | number)[]): unknown => {
    if (typeof at === 'string') {
      if (about.kinds.has('string')) return at;
      const read = readScalar(at, about);
      if (typeof read === 'string' || read === null) return at;
      // As it was written, whatever its length.
      edits.push({ path, json: at });
      return read;
    }
    if (typeof at !== 'object' || at === null) return at;
    if (Array.isArray(at)) {
      for (const [i, item] of at.entries()) at[i] = visit(item, about.items ?? PLAIN_TEXT, [...path, i]);
      return at;
    }
    const object = at as Record<string, unknown>;
    for (const name of Object.keys(object)) {
      const inner = about.members.get(name) ?? about.others;
      if (inner !== undefined && name !== '__proto__')
        object[name] = visit(object[name], inner, [...path, name]);
    }
    return object;
  };
  return { value: visit(value, type, []), edits };
}
