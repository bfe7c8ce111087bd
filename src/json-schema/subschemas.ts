import { isSchema, isSchemaMap, type JsonSchema, type SchemaPath } from './schema-text.ts';

/** How a keyword holds schemas, and whether they judge the value itself or a part of it. */
interface Holder {
  readonly form: 'one' | 'list' | 'map' | 'one-or-list' | 'map-or-names';
  readonly isInPlace: boolean;
}

const inPlace = (form: Holder['form']): Holder => ({ form, isInPlace: true });
const within = (form: Holder['form']): Holder => ({ form, isInPlace: false });

/** Keywords that hold schemas, of JSON Schema 2020-12 and draft 7. */
const HOLDERS: ReadonlyMap<string, Holder> = new Map([
  ['allOf', inPlace('list')],
  ['anyOf', inPlace('list')],
  ['oneOf', inPlace('list')],
  ['not', inPlace('one')],
  ['if', inPlace('one')],
  ['then', inPlace('one')],
  ['else', inPlace('one')],
  ['dependentSchemas', inPlace('map')],
  ['dependencies', inPlace('map-or-names')],
  ['properties', within('map')],
  ['patternProperties', within('map')],
  ['additionalProperties', within('one')],
  ['unevaluatedProperties', within('one')],
  ['propertyNames', within('one')],
  ['items', within('one-or-list')],
  ['prefixItems', within('list')],
  ['additionalItems', within('one')],
  ['unevaluatedItems', within('one')],
  ['contains', within('one')],
  ['contentSchema', within('one')],
  ['$defs', within('map')],
  ['definitions', within('map')],
]);

/** A schema that stands directly within another one. */
export interface Subschema {
  readonly keyword: string;
  /** From the schema that holds it. */
  readonly path: SchemaPath;
  readonly schema: JsonSchema;
  /** Whether it judges the same value as the one that holds it. */
  readonly isInPlace: boolean;
}

/** Lists the schemas that stand directly within `schema`. */
export function subschemasOf(schema: JsonSchema): Subschema[] {
  if (!isSchemaMap(schema)) return [];
  return Object.entries(schema).flatMap(([keyword, value]) => {
    const holder = HOLDERS.get(keyword);
    if (holder === undefined) return [];
    const found =
      isSchema(value) && holder.form.startsWith('one')
        ? [[keyword] as const]
        : keysOf(keyword, value, holder);
    return found.flatMap((path) => {
      const inner =
        path.length === 1 ? value : (value as Record<string | number, unknown>)[path[1] as string];
      return isSchema(inner) ? [{ keyword, path, schema: inner, isInPlace: holder.isInPlace }] : [];
    });
  });
}

function keysOf(keyword: string, value: unknown, { form }: Holder): (readonly [string, string | number])[] {
  if (Array.isArray(value)) return form.endsWith('list') ? value.map((_, i) => [keyword, i] as const) : [];
  return form.startsWith('map') && isSchemaMap(value)
    ? Object.keys(value).map((key) => [keyword, key] as const)
    : [];
}

/** Calls `visit` for `schema` and every schema within it, with its path from `at`. */
export function walkSchemas(
  schema: JsonSchema,
  visit: (schema: JsonSchema, path: SchemaPath) => void,
  at: SchemaPath = [],
): void {
  visit(schema, at);
  for (const { schema: inner, path } of subschemasOf(schema)) walkSchemas(inner, visit, [...at, ...path]);
}
