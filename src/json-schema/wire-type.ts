import { SchemaReferences } from './schema-references.ts';
import { isSchemaMap, type JsonSchema } from './schema-text.ts';

/**
 * What a value that comes as text may be meant as, by its schema. A parameter, a cookie and a field of a form have no
 * types of their own.
 */
export interface WireType {
  readonly kinds: ReadonlySet<string>;
  /** Of the elements of a list. */
  readonly items: WireType | undefined;
  /** Of the members of an object, by their name. */
  readonly members: ReadonlyMap<string, WireType>;
  /** Of members that are not named; `undefined` where the schema says nothing of any. */
  readonly others: WireType | undefined;
}

/** What is known of a value of which the schema says nothing. */
export const PLAIN_TEXT: WireType = {
  kinds: new Set(['string']),
  items: undefined,
  members: new Map(),
  others: undefined,
};

const MAX_DEPTH = 6;
const BRANCHES = ['allOf', 'anyOf', 'oneOf'] as const;

/** Reads what `schema` lets a value be. */
export function wireTypeOf(schema: JsonSchema): WireType {
  return new WireTypeReader(new SchemaReferences(schema)).read([schema], 0);
}

class WireTypeReader {
  private readonly references: SchemaReferences;

  constructor(references: SchemaReferences) {
    this.references = references;
  }

  read(schemas: readonly JsonSchema[], depth: number): WireType {
    const parts = this.spread(schemas);
    const kinds = new Set(parts.flatMap(kindsOf));
    const items: JsonSchema[] = [];
    const members = new Map<string, JsonSchema[]>();
    const others: JsonSchema[] = [];
    for (const part of parts) {
      const { items: listed, prefixItems, properties, additionalProperties } = part;
      for (const item of [listed, prefixItems].flat()) if (isSchemaMap(item)) items.push(item);
      if (isSchemaMap(properties))
        for (const [name, member] of Object.entries(properties))
          members.set(name, [...(members.get(name) ?? []), member as JsonSchema]);
      if (additionalProperties !== undefined && additionalProperties !== false)
        others.push(additionalProperties as JsonSchema);
    }
    if (kinds.size === 0) addImplied(kinds, items.length > 0, members.size > 0 || others.length > 0);
    const within = (inner: readonly JsonSchema[]) =>
      depth < MAX_DEPTH ? this.read(inner, depth + 1) : PLAIN_TEXT;
    return {
      kinds,
      items: items.length > 0 ? within(items) : undefined,
      members: new Map([...members].map(([name, inner]) => [name, within(inner)])),
      others: others.length > 0 ? within(others) : undefined,
    };
  }

  /** All that judge the same value, references followed. */
  private spread(schemas: readonly JsonSchema[]): Readonly<Record<string, unknown>>[] {
    const found = new Set<Readonly<Record<string, unknown>>>();
    const queue = [...schemas];
    for (let schema = queue.pop(); schema !== undefined; schema = queue.pop()) {
      if (!isSchemaMap(schema) || found.has(schema)) continue;
      found.add(schema);
      for (const keyword of BRANCHES) {
        const branches = schema[keyword];
        if (Array.isArray(branches)) queue.push(...(branches as JsonSchema[]));
      }
      for (const branch of [schema.then, schema.else]) if (isSchemaMap(branch)) queue.push(branch);
      if (typeof schema.$ref !== 'string') continue;
      const target = this.references.find(schema.$ref, this.references.baseOf(schema));
      if (target !== undefined) queue.push(target.schema);
    }
    return [...found];
  }
}

function kindsOf({ type, enum: allowed, const: only }: Readonly<Record<string, unknown>>): string[] {
  if (type !== undefined) return [type].flat().map(String);
  const values = Array.isArray(allowed) ? (allowed as unknown[]) : only === undefined ? [] : [only];
  return values.map((value) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value));
}

function addImplied(kinds: Set<string>, hasItems: boolean, hasMembers: boolean): void {
  if (hasItems) kinds.add('array');
  if (hasMembers) kinds.add('object');
  if (kinds.size === 0) kinds.add('string');
}

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Reads one text as what it is meant as: `12` as a number where one is due. What is none of it stays text. */
export function readScalar(text: string, { kinds }: WireType): unknown {
  if ((kinds.has('integer') || kinds.has('number')) && NUMBER.test(text)) {
    const number = Number(text);
    if (Number.isFinite(number)) return number;
  }
  if (kinds.has('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  if (kinds.has('null') && !kinds.has('string') && text === 'null') return null;
  return text;
}

/** Tells whether a value is meant as a list and nothing else could hold it. */
export function isListType({ kinds }: WireType): boolean {
  return kinds.has('array');
}

/** Tells whether a value is meant as an object. */
export function isObjectType({ kinds }: WireType): boolean {
  return kinds.has('object') && !kinds.has('array');
}
