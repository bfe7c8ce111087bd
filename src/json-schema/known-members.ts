import { compilePattern } from './bounded-pattern.ts';
import { SchemaReferences } from './schema-references.ts';
import { isSchemaMap, type JsonSchema } from './schema-text.ts';
import { subschemasOf } from './subschemas.ts';

/** Which members a schema names, and what it says of them. */
interface Shape {
  readonly names: ReadonlyMap<string, readonly JsonSchema[]>;
  readonly patterns: readonly { readonly pattern: RegExp; readonly schema: JsonSchema }[];
  /** What it says of all others, empty where it says nothing that allows them. */
  readonly others: readonly JsonSchema[];
  /** Whether it speaks of no member at all, so that any may be there. */
  readonly isOpen: boolean;
  readonly items: readonly JsonSchema[];
}

/** The way to a member. */
export type MemberPath = readonly (string | number)[];

/**
 * Finds members that a schema does not name: in `properties`, `patternProperties`, or an `additionalProperties` that allows
 * them, in whichever of its branches. Of an object of which it names no member, all may be there.
 */
export class KnownMembers {
  private readonly root: JsonSchema;
  private readonly references: SchemaReferences;
  private readonly ids = new Map<JsonSchema, number>();
  private readonly shapes = new Map<string, Shape>();

  constructor(schema: JsonSchema) {
    this.root = schema;
    this.references = new SchemaReferences(schema);
  }

  /** Lists the members of a value that the schema does not name, `most` of them. What stands within one is not listed. */
  findUnknown(value: unknown, most = Number.POSITIVE_INFINITY): MemberPath[] {
    const found: MemberPath[] = [];
    this.search(value, [this.root], [], found, most);
    return found;
  }

  private search(
    value: unknown,
    schemas: readonly JsonSchema[],
    path: MemberPath,
    found: MemberPath[],
    most: number,
  ): void {
    if (typeof value !== 'object' || value === null || found.length >= most) return;
    const shape = this.shapeOf(schemas);
    if (Array.isArray(value)) {
      if (shape.items.length === 0) return;
      for (let i = 0; i < value.length; i++) this.search(value[i], shape.items, [...path, i], found, most);
      return;
    }
    if (shape.isOpen) return;
    for (const name of Object.keys(value)) {
      const about = aboutMember(shape, name);
      if (about.length > 0)
        this.search((value as Record<string, unknown>)[name], about, [...path, name], found, most);
      else if (found.length < most) found.push([...path, name]);
    }
  }

  private shapeOf(schemas: readonly JsonSchema[]): Shape {
    const key = schemas.map((schema) => this.idOf(schema)).join(' ');
    let shape = this.shapes.get(key);
    if (shape === undefined) {
      shape = shapeFrom(this.spread(schemas));
      this.shapes.set(key, shape);
    }
    return shape;
  }

  private idOf(schema: JsonSchema): number {
    const id = this.ids.get(schema) ?? this.ids.size;
    this.ids.set(schema, id);
    return id;
  }

  /** All that judge the same value, references followed. */
  private spread(schemas: readonly JsonSchema[]): Set<Readonly<Record<string, unknown>>> {
    const found = new Set<Readonly<Record<string, unknown>>>();
    const queue = [...schemas];
    for (let schema = queue.pop(); schema !== undefined; schema = queue.pop()) {
      if (!isSchemaMap(schema) || found.has(schema)) continue;
      found.add(schema);
      for (const { keyword, schema: inner, isInPlace } of subschemasOf(schema))
        if (isInPlace && keyword !== 'not') queue.push(inner);
      for (const reference of [schema.$ref, schema.$dynamicRef]) {
        if (typeof reference !== 'string') continue;
        const target = this.references.find(reference, this.references.baseOf(schema));
        if (target !== undefined) queue.push(target.schema);
      }
    }
    return found;
  }
}

function shapeFrom(parts: Iterable<Readonly<Record<string, unknown>>>): Shape {
  const names = new Map<string, JsonSchema[]>();
  const patterns: { pattern: RegExp; schema: JsonSchema }[] = [];
  const others: JsonSchema[] = [];
  const items: JsonSchema[] = [];
  let isOpen = true;
  for (const part of parts) {
    for (const [name, schema] of entriesOf(part.properties))
      names.set(name, [...(names.get(name) ?? []), schema]);
    for (const [pattern, schema] of entriesOf(part.patternProperties))
      patterns.push({ pattern: compilePattern(pattern), schema });
    for (const keyword of ['additionalProperties', 'unevaluatedProperties'] as const) {
      const schema = part[keyword] as JsonSchema | undefined;
      if (schema !== undefined && schema !== false) others.push(schema);
      if (schema === false) isOpen = false;
    }
    for (const keyword of [
      'items',
      'prefixItems',
      'additionalItems',
      'contains',
      'unevaluatedItems',
    ] as const)
      for (const schema of [part[keyword]].flat()) if (isSchemaMap(schema)) items.push(schema);
  }
  isOpen &&= names.size === 0 && patterns.length === 0 && others.length === 0;
  return { names, patterns, others, isOpen, items };
}

function entriesOf(value: unknown): [string, JsonSchema][] {
  return isSchemaMap(value) ? (Object.entries(value) as [string, JsonSchema][]) : [];
}

function aboutMember({ names, patterns, others }: Shape, name: string): readonly JsonSchema[] {
  const named = names.get(name);
  // What may never be there, such as what is read-only in a request, is not known there.
  if (named?.every((schema) => schema === false) === true) return [];
  if (named !== undefined && patterns.length === 0) return named;
  const matching = patterns.flatMap(({ pattern, schema }) => (pattern.test(name) ? [schema] : []));
  const about = [...(named ?? []), ...matching];
  return about.length > 0 ? about : others;
}
