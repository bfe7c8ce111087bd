import { isSchemaMap, type JsonSchema } from './schema-text.ts';

/** What `typebox` asks of a value beside the keywords of JSON Schema. */
interface Refinement {
  check(value: unknown): boolean;
  error(): string;
}

/** Above this a set is faster than to compare each with each. */
const FEW = 8;

/**
 * Gives keywords of one schema that take `typebox` long, in a form that means the same and takes less: names against a set
 * and not a pattern, plain items against each other and not by hashes. For schemas without `unevaluated…`, which would have to
 * know what these have seen.
 */
export function withFastKeywords(
  schema: Record<string, unknown>,
  hasUniqueItems: (value: unknown) => boolean,
): Record<string, unknown> {
  const refinements: Refinement[] = [];
  const { additionalProperties, patternProperties, uniqueItems, ...rest } = schema;
  const isClosed = additionalProperties === false && patternProperties === undefined;
  if (isClosed) refinements.push(refine(onlyNames(namesOf(schema.properties))));
  if (uniqueItems === true) refinements.push(refine((value) => areUnique(value, hasUniqueItems)));
  if (refinements.length === 0) return schema;
  return {
    ...rest,
    ...(!isClosed && additionalProperties !== undefined && { additionalProperties }),
    ...(patternProperties !== undefined && { patternProperties }),
    '~refine': refinements,
  };
}

/** Whether a schema, or one within it, looks at what others have seen of a value. */
export function usesUnevaluated(schema: JsonSchema): boolean {
  return /"unevaluated(?:Properties|Items)":/.test(JSON.stringify(schema));
}

function refine(check: Refinement['check']): Refinement {
  return { check, error: () => '' };
}

function namesOf(properties: unknown): string[] {
  return isSchemaMap(properties) ? Object.keys(properties) : [];
}

function onlyNames(names: readonly string[]): Refinement['check'] {
  const known = new Set(names);
  const isKnown =
    names.length > FEW ? (name: string) => known.has(name) : (name: string) => isOneOf(names, name);
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return true;
    for (const name in value) if (!isKnown(name)) return false;
    return true;
  };
}

function isOneOf(names: readonly string[], name: string): boolean {
  for (let i = 0; i < names.length; i++) if (names[i] === name) return true;
  return false;
}

function areUnique(value: unknown, otherwise: (value: unknown) => boolean): boolean {
  if (!Array.isArray(value)) return true;
  for (let i = 0; i < value.length; i++) {
    const item: unknown = value[i];
    if (typeof item === 'object' && item !== null) return otherwise(value);
    if (value.length > FEW) continue;
    for (let j = 0; j < i; j++) if (value[j] === item) return false;
  }
  return value.length <= FEW || new Set(value).size === value.length;
}
