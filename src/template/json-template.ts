import { JsonValue } from './json-value.ts';
import { plainText } from './places.ts';
import type { TemplateNames } from './reference.ts';
import type { TemplateScope } from './scope.ts';
import { TemplateError, UnfilledError } from './template-error.ts';
import { readPieces } from './text-pieces.ts';

/** Gives JSON as text, `undefined` where its one reference is missing. Throws `UnfilledError`. */
export type JsonTemplate = (scope: TemplateScope) => string | undefined;

/** The key whose value is a map, or a list of maps, whose members are put in its place. */
const SPREAD = '...';

/** What is wrong with one text of a JSON template, and where it stands in it. */
export interface JsonTemplateFault {
  readonly path: readonly (string | number)[];
  readonly error: TemplateError;
}

/** Finds what is wrong in all texts of a JSON template. */
export function findJsonFaults(template: unknown, names: TemplateNames): JsonTemplateFault[] {
  const faults: JsonTemplateFault[] = [];
  const visit = (value: unknown, path: readonly (string | number)[]): void => {
    if (Array.isArray(value)) for (const [i, item] of value.entries()) visit(item, [...path, i]);
    else if (typeof value === 'object' && value !== null)
      for (const [key, item] of Object.entries(value)) visit(item, [...path, key]);
    else if (typeof value === 'string') {
      try {
        readPieces(value, names);
      } catch (error) {
        if (!(error instanceof TemplateError)) throw error;
        faults.push({ path, error });
      }
    }
  };
  visit(template, []);
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
    return compileMap(template as Record<string, unknown>, names);
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

function compileMap(template: Readonly<Record<string, unknown>>, names: TemplateNames): JsonTemplate {
  const members = Object.entries(template).map(([key, value]) => ({ key, json: compileJson(value, names) }));
  if (members.some(({ key }) => key === SPREAD)) return compileMerge(members);
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

/** Where maps are merged each name stands once, so the last one holds, whichever map it is from. */
function compileMerge(
  members: readonly { readonly key: string; readonly json: JsonTemplate }[],
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
      if (key !== SPREAD) put(key, text);
      else for (const [name, value] of spread(JsonValue.ofValid(text))) put(name, value.json);
    }
    return `{${[...merged].map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(',')}}`;
  };
}

function* spread(value: JsonValue): Generator<readonly [string, JsonValue]> {
  for (const map of value.kind === 'list' ? value.items : [value]) {
    if (map.kind === 'map') yield* map.members;
    else if (map.kind !== 'null')
      throw new UnfilledError(`'${SPREAD}'`, undefined, `is a ${map.kind} where a map is due`);
  }
}
