import { findSchemaFaults } from '../json-schema/schema-faults.ts';
import {
  isSchema,
  isSchemaMap,
  type JsonSchema,
  pointerTo,
  type SchemaPath,
} from '../json-schema/schema-text.ts';
import { subschemasOf } from '../json-schema/subschemas.ts';
import type { Located, OpenApiDocument } from './open-api-document.ts';
import { toLatestKeywords } from './schema-keywords.ts';
import type { SourceFinding } from './source-file.ts';

/** Whether a schema judges what a client sends or what a service answers: what is read-only or write-only differs. */
export type Direction = 'request' | 'response';

/**
 * The schemas of a document as JSON Schema 2020-12, each with all that it refers to. Those of 3.0 are given the meaning
 * that they have there.
 */
export class SchemaBundle {
  private readonly document: OpenApiDocument;
  private readonly direction: Direction;
  private readonly names = new Map<string, string>();
  private readonly definitions = new Map<string, JsonSchema>();
  /** The names that each definition refers to. */
  private readonly uses = new Map<string, Set<string>>();
  /** Where what was made comes from. */
  private readonly origins = new Map<object, Located>();
  /** What is wrong with references. */
  readonly faults: SourceFinding[] = [];

  constructor(document: OpenApiDocument, direction: Direction) {
    this.document = document;
    this.direction = direction;
  }

  /** Takes a schema and all that it refers to. Gives the name of its definition. */
  add(located: Located): string {
    const key = `${located.file.path}#${pointerTo(located.path)}`;
    const known = this.names.get(key);
    if (known !== undefined) return known;
    const name = this.nameFor(located);
    this.names.set(key, name);
    const uses = new Set<string>();
    this.uses.set(name, uses);
    // Taken before it is made: it may refer to itself.
    this.definitions.set(name, true);
    this.definitions.set(name, this.convert(located, uses));
    return name;
  }

  /** The definitions that schemas with these names need, for `$defs`. */
  definitionsOf(names: Iterable<string>): Record<string, JsonSchema> {
    const found = new Set<string>();
    const queue = [...names];
    for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
      if (found.has(name)) continue;
      found.add(name);
      queue.push(...(this.uses.get(name) ?? []));
    }
    return Object.fromEntries([...found].map((name) => [name, this.definitions.get(name) as JsonSchema]));
  }

  /** A schema by its name, with all that it refers to. */
  schemaOf(name: string): JsonSchema {
    return { $ref: referenceTo(name), $defs: this.definitionsOf([name]) };
  }

  /** Finds what is wrong with the schemas of these names, and with those that they refer to. */
  findFaults(names: Iterable<string>): SourceFinding[] {
    const $defs = this.definitionsOf(names);
    const { faults, doubts } = findSchemaFaults({ $defs }, { compiles: false });
    const at = (path: SchemaPath) => this.document.placeOf(this.originOf($defs, path));
    return [
      ...faults.map(({ path, text }) => ({ text, place: at(path) })),
      ...doubts.map(({ path, text }) => ({ text, place: at(path), isDoubt: true })),
    ];
  }

  private nameFor({ path }: Located): string {
    const base = String(path.at(-1) ?? 'schema').replace(/[^\w.-]/g, '_');
    let name = base;
    for (let i = 2; this.definitions.has(name); i++) name = `${base}.${i}`;
    return name;
  }

  private convert(located: Located, uses: Set<string>): JsonSchema {
    const { value, file } = located;
    if (!isSchemaMap(value)) {
      if (isSchema(value)) return value;
      this.faults.push({
        text: 'is not a schema — write a map of keywords',
        place: this.document.placeOf(located),
      });
      return true;
    }
    const { $ref: reference, ...siblings } = value;
    if (typeof reference === 'string') {
      const made = {
        ...this.reference(reference, located, uses),
        ...this.convertSiblings(siblings, located, uses),
      };
      this.origins.set(made, located);
      return made;
    }
    const copy = this.convertWithin(value, { ...located, file }, uses);
    const made = toLatestKeywords(copy, this.document.version);
    if (isSchemaMap(made)) this.origins.set(made, located);
    return made;
  }

  private reference(reference: string, located: Located, uses: Set<string>): Record<string, unknown> {
    const target = this.document.refer(reference, located.file);
    if (target === undefined) {
      const isRemote = /^[A-Za-z][A-Za-z0-9+.-]+:/.test(reference);
      const text = isRemote
        ? 'refers to another server, and nothing is fetched — put a copy beside the document'
        : 'refers to what is not there — correct it';
      this.faults.push({ text, place: this.document.placeOf(this.document.within(located, '$ref')) });
      return {};
    }
    const name = this.add(target);
    uses.add(name);
    return { $ref: referenceTo(name) };
  }

  /** In 3.0 whatever stands beside a reference means nothing (§4.7.23). */
  private convertSiblings(
    siblings: Readonly<Record<string, unknown>>,
    located: Located,
    uses: Set<string>,
  ): object {
    if (this.document.version === '3.0') return {};
    const made = toLatestKeywords(this.convertWithin(siblings, located, uses), this.document.version);
    return isSchemaMap(made) ? made : {};
  }

  private convertWithin(
    schema: Readonly<Record<string, unknown>>,
    located: Located,
    uses: Set<string>,
  ): Record<string, unknown> {
    const copy: Record<string, unknown> = { ...schema };
    for (const { path } of subschemasOf(schema)) {
      const [keyword, key] = path as [string, string | number | undefined];
      const made = this.convert(this.document.within(located, ...path), uses);
      if (key === undefined) {
        copy[keyword] = made;
        continue;
      }
      if (copy[keyword] === schema[keyword])
        copy[keyword] = Array.isArray(schema[keyword])
          ? [...schema[keyword]]
          : { ...(schema[keyword] as object) };
      Object.defineProperty(copy[keyword], key, {
        value: made,
        enumerable: true,
        writable: true,
        configurable: true,
      });
    }
    this.closeOneWayMembers(copy, located);
    return copy;
  }

  /** What is read-only has no place in a request, and what is write-only none in a response; neither is asked for there. */
  private closeOneWayMembers(copy: Record<string, unknown>, located: Located): void {
    if (!isSchemaMap(copy.properties)) return;
    const closed = Object.keys(copy.properties).filter((name) =>
      this.isClosed(this.document.within(located, 'properties', name)),
    );
    if (closed.length === 0) return;
    const properties: Record<string, unknown> = { ...copy.properties };
    for (const name of closed) properties[name] = false;
    copy.properties = properties;
    if (Array.isArray(copy.required))
      copy.required = copy.required.filter((name: string) => !closed.includes(name));
  }

  private isClosed(member: Located): boolean {
    const keyword = this.direction === 'request' ? 'readOnly' : 'writeOnly';
    const { value } = this.document.follow(member) ?? member;
    const states = (schema: unknown): boolean => isSchemaMap(schema) && schema[keyword] === true;
    return states(member.value) || states(value);
  }

  /** The nearest thing around a place that came from the document. */
  private originOf($defs: Record<string, JsonSchema>, path: SchemaPath): Located {
    let value: unknown = { $defs };
    let origin = this.document.root;
    let rest: (string | number)[] = [];
    for (const step of path) {
      value =
        typeof value === 'object' && value !== null
          ? (value as Record<string | number, unknown>)[step]
          : undefined;
      rest.push(step);
      const known = typeof value === 'object' && value !== null ? this.origins.get(value) : undefined;
      if (known === undefined) continue;
      origin = known;
      rest = [];
    }
    return origin === this.document.root ? origin : { ...origin, path: [...origin.path, ...rest] };
  }
}

/** Writes a reference to a definition of a bundle. */
export function referenceTo(name: string): string {
  return `#/$defs/${name}`;
}
