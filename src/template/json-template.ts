import { type JsonMap, readMap } from './json-map.ts';
import { JsonValue } from './json-value.ts';
import { plainText } from './places.ts';
import type { Reference, TemplateNames } from './reference.ts';
import type { TemplateScope } from './scope.ts';
import { TemplateError, UnfilledError } from './template-error.ts';
import { readPieces } from './text-pieces.ts';

/** Gives JSON as text, `undefined` where its one reference is missing. Throws `UnfilledError`. */
export type JsonTemplate = (scope: TemplateScope) => string | undefined;

/** How much one list that is made element by element may come to, in characters. */
const MAX_EACH_CHARS = 16 * 1024 * 1024;

/** What is wrong with one text of a JSON template, and where it stands in it. */
export interface JsonTemplateFault {
  readonly path: readonly (string | number)[];
  readonly error: TemplateError;
}

/** Finds what is wrong in all texts of a JSON template. */
export function findJsonFaults(template: unknown, names: TemplateNames): JsonTemplateFault[] {
  const faults: JsonTemplateFault[] = [];
  const attempt = <T>(path: readonly (string | number)[], read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      faults.push({ path, error });
      return undefined;
    }
  };
  const visit = (value: unknown, path: readonly (string | number)[], known: TemplateNames): void => {
    if (typeof value === 'string') attempt(path, () => readPieces(value, known));
    else if (Array.isArray(value)) for (const [i, item] of value.entries()) visit(item, [...path, i], known);
    else if (typeof value === 'object' && value !== null) {
      const map = attempt(path, () => readMap(value as Record<string, unknown>, known));
      for (const [key, item] of map?.members ?? []) visit(item, [...path, key], known);
      if (map?.each !== undefined) visit(map.each.give, [...path, 'give'], map.each.names);
    }
  };
  visit(template, [], names);
  return faults;
}

/**
 * Compiles data with templates in its texts: `{ id: "{parts.user.body.id}", kind: home }`. One whole reference keeps its
 * value as it was written; a member whose reference is missing is left out, an element is null. Throws `TemplateError`.
 */
export function compileJson(template: unknown, names: TemplateNames): JsonTemplate {
  if (typeof template === 'string') return compileText(template, names);
  if (Array.isArray(template)) return compileList(template, names);
  if (typeof template === 'object' && template !== null)
    return compileMap(readMap(template as Record<string, unknown>, names), names);
  const json = JSON.stringify(template) ?? 'null';
  return () => json;
}

function compileText(template: string, names: TemplateNames): JsonTemplate {
  const pieces = readPieces(template, names);
  const [only] = pieces;
  if (pieces.length === 1 && typeof only === 'object') return (scope) => only.find(scope)?.json;
  if (pieces.every((piece) => typeof piece === 'string')) {
    const json = JSON.stringify(pieces.join(''));
    return () => json;
  }
  return (scope) =>
    JSON.stringify(
      pieces.map((piece) => (typeof piece === 'string' ? piece : plainText(piece, scope))).join(''),
    );
}

function compileList(template: readonly unknown[], names: TemplateNames): JsonTemplate {
  const items = template.map((item) => compileJson(item, names));
  return (scope) => `[${items.map((item) => item(scope) ?? 'null').join(',')}]`;
}

function compileMap(
  { members: written, spreads, without, each }: JsonMap,
  names: TemplateNames,
): JsonTemplate {
  if (each !== undefined) return compileEach(each.of, compileJson(each.give, each.names));
  const members = written.map(([key, value]) => ({ key, json: compileJson(value, names) }));
  if (spreads) return compileMerge(members, new Set(without));
  const named = members.map(({ key, json }) => ({ name: JSON.stringify(key), json }));
  return (scope) => {
    let text = '';
    for (const { name, json } of named) {
      const value = json(scope);
      if (value !== undefined) text += `${text === '' ? '' : ','}${name}:${value}`;
    }
    return `{${text}}`;
  };
}

/** A list is bounded as it grows: two within each other could make of a small body more than memory holds. */
function compileEach(of: Reference, give: JsonTemplate): JsonTemplate {
  return (scope) => {
    const list = of.find(scope);
    if (list === undefined) return undefined;
    if (list.kind !== 'list') throw new UnfilledError(of.text, of.part, 'is not a list');
    let text = '';
    for (const item of list.items) {
      text += `${text === '' ? '' : ','}${give(scope.withItem(item)) ?? 'null'}`;
      if (text.length > MAX_EACH_CHARS)
        throw new UnfilledError(of.text, of.part, `gives a list of more than ${MAX_EACH_CHARS} characters`);
    }
    return `[${text}]`;
  };
}

/** Where maps are merged each name stands once, so the last one holds, whichever map it is from. */
function compileMerge(
  members: readonly { readonly key: string; readonly json: JsonTemplate }[],
  without: ReadonlySet<string>,
): JsonTemplate {
  return (scope) => {
    const merged = new Map<string, string>();
    const put = (key: string, json: string): void => {
      merged.delete(key);
      merged.set(key, json);
    };
    for (const { key, json } of members) {
      const text = json(scope);
      if (text === undefined) continue;
      if (key !== '...') put(key, text);
      else
        for (const [name, value] of spread(JsonValue.ofValid(text)))
          if (!without.has(name)) put(name, value.json);
    }
    return `{${[...merged].map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(',')}}`;
  };
}

function* spread(value: JsonValue): Generator<readonly [string, JsonValue]> {
  for (const map of value.kind === 'list' ? value.items : [value]) {
    if (map.kind === 'map') yield* map.members;
    else if (map.kind !== 'null')
      throw new UnfilledError("'...'", undefined, `is a ${map.kind} where a map is due`);
  }
}
