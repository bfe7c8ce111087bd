import type { Policy } from '../../core/policy.ts';
import { gatewayJsonSchema, type JsonSchema } from './json-schema.ts';

/** Where the schema of the newest version is found. */
export const SCHEMA_ID =
  'https://raw.githubusercontent.com/sallyport/sallyport/main/schema/sallyport.schema.json';

const REFERENCE = '\\$\\{';
const REFERENCE_SCHEMA: JsonSchema = { type: 'string', pattern: REFERENCE };

/** What editors offer for a value, by the title of its kind. */
const EXAMPLES: Readonly<Record<string, readonly unknown[]>> = {
  duration: ['250ms', '5s', '30s', '1m', '1h', '1d'],
  size: ['512B', '16KiB', '1MiB'],
  share: ['5%', '20%', '50%', '100%'],
  'address or range': ['10.0.0.0/8', '192.0.2.7', '2001:db8::/32'],
  'host:port': ['127.0.0.1:6379'],
};

/** What is said of a value at one place, beside what it has to be. */
const ANNOTATIONS = ['description', 'default', 'title'] as const;
/** Shorter ones are not worth a definition, whose name has to be looked up. */
const SHORTEST_SHARED = 120;

/**
 * Makes the JSON Schema of the configuration for editors: `${…}` stands for every value, values of a kind are offered, what
 * matches no pattern is told as by `check`, and what stands at several places is defined once.
 */
export function editorSchema(policies: readonly Policy[]): JsonSchema {
  const { $schema, $defs = {}, ...schema } = gatewayJsonSchema(policies) as JsonSchema & { $defs?: object };
  const { definitions, shared } = share(forEditors(schema));
  return {
    $schema,
    $id: SCHEMA_ID,
    title: 'Sallyport configuration',
    ...shared,
    $defs: { ...$defs, ...definitions },
  };
}

/** Lets a reference such as `${PORT}` stand for every value that is not free text anyway, as the loader does, and offers values. */
function forEditors(schema: JsonSchema): JsonSchema {
  const inside = mapInside(schema, forEditors);
  const examples = EXAMPLES[schema.title ?? ''];
  const offering = examples === undefined || schema.type !== 'string' ? inside : { ...inside, examples };
  if (!isStrict(schema)) return offering;
  if (schema.pattern !== undefined) return { ...offering, pattern: `(?:${schema.pattern})|${REFERENCE}` };
  const { annotations, rest } = splitAnnotations(offering);
  return { ...annotations, anyOf: [rest, REFERENCE_SCHEMA] };
}

function isStrict({ type, pattern, enum: choices, const: only }: JsonSchema): boolean {
  if (type === 'string') return pattern !== undefined || choices !== undefined;
  return ['integer', 'number', 'boolean'].includes(type ?? '') || choices !== undefined || only !== undefined;
}

/** Makes the same schema with other schemas inside. */
function mapInside(schema: JsonSchema, change: (inner: JsonSchema) => JsonSchema): JsonSchema {
  const { properties, patternProperties, additionalProperties, items, anyOf } = schema as JsonSchema & {
    patternProperties?: Readonly<Record<string, JsonSchema>>;
  };
  const changeAll = (inner: Readonly<Record<string, JsonSchema>>) =>
    Object.fromEntries(Object.entries(inner).map(([key, value]) => [key, change(value)]));
  return {
    ...schema,
    ...(properties && { properties: changeAll(properties) }),
    ...(patternProperties && { patternProperties: changeAll(patternProperties) }),
    ...(typeof additionalProperties === 'object' && { additionalProperties: change(additionalProperties) }),
    ...(items && { items: change(items) }),
    ...(anyOf && { anyOf: anyOf.map(change) }),
  };
}

function splitAnnotations(schema: JsonSchema): { annotations: JsonSchema; rest: JsonSchema } {
  const entries = Object.entries(schema);
  const isAnnotation = ([key]: [string, unknown]) => (ANNOTATIONS as readonly string[]).includes(key);
  return {
    annotations: Object.fromEntries(entries.filter(isAnnotation)),
    rest: Object.fromEntries(entries.filter((entry) => !isAnnotation(entry))),
  };
}

interface Shared {
  /** How often it stands somewhere. */
  count: number;
  readonly name: string;
}

/** Moves what stands at several places into definitions, outermost first. */
function share(schema: JsonSchema): { definitions: Record<string, JsonSchema>; shared: JsonSchema } {
  const found = new Map<string, Shared>();
  countInside(schema, 'setting', found);
  const repeated = [...found].filter(([text, { count }]) => count > 1 && text.length >= SHORTEST_SHARED);
  const names = nameEach(repeated);
  const definitions: Record<string, JsonSchema> = {};
  const replace = (inner: JsonSchema): JsonSchema => {
    const { annotations, rest } = splitAnnotations(inner);
    const name = names.get(JSON.stringify(rest));
    if (name === undefined) return mapInside(inner, replace);
    if (definitions[name] === undefined) {
      definitions[name] = {};
      definitions[name] = mapInside(rest, replace);
    }
    return { $ref: `#/$defs/${name}`, ...annotations };
  };
  const shared = mapInside(schema, replace);
  return { definitions, shared };
}

function countInside(schema: JsonSchema, name: string, found: Map<string, Shared>): void {
  const text = JSON.stringify(splitAnnotations(schema).rest);
  const known = found.get(text);
  found.set(text, { name: known?.name ?? schema.title ?? name, count: (known?.count ?? 0) + 1 });
  const { properties = {}, additionalProperties, items, anyOf = [] } = schema;
  for (const [key, inner] of Object.entries(properties)) countInside(inner, key, found);
  if (typeof additionalProperties === 'object') countInside(additionalProperties, `${name}-value`, found);
  if (items !== undefined) countInside(items, `${name}-entry`, found);
  for (const member of anyOf) countInside(member, name, found);
}

/** Names each definition after what it is for, with a number where two are for the same. */
function nameEach(repeated: readonly (readonly [string, Shared])[]): Map<string, string> {
  const taken = new Set<string>();
  const names = new Map<string, string>();
  for (const [text, shared] of repeated) {
    const base = shared.name.replace(/[^A-Za-z0-9]+/g, '-');
    let name = base;
    for (let i = 2; taken.has(name); i++) name = `${base}-${i}`;
    taken.add(name);
    names.set(text, name);
  }
  return names;
}
