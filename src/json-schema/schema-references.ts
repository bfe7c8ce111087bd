import {
  followPath,
  isOldDialect,
  isSchema,
  isSchemaMap,
  type JsonSchema,
  readPointer,
  type SchemaPath,
} from './schema-text.ts';
import { subschemasOf } from './subschemas.ts';

const ROOT = 'schema:root';

/** A place that a reference leads to. */
export interface ReferredSchema {
  readonly schema: JsonSchema;
  readonly base: string;
}

/** Finds what the references of one schema lead to. Nothing is fetched. */
export class SchemaReferences {
  private readonly resources = new Map<string, unknown>();
  private readonly anchors = new Map<string, JsonSchema>();
  private readonly isLatest: boolean;
  /** The base URI of every schema that was met. */
  private readonly bases = new Map<object, string>();

  /** `others` are documents that may be referred to as well, by their URI. */
  constructor(root: JsonSchema, others: Readonly<Record<string, JsonSchema>> = {}) {
    this.isLatest = !isOldDialect(root);
    this.resources.set(ROOT, root);
    this.register(root, ROOT);
    for (const [uri, schema] of Object.entries(others)) {
      this.resources.set(withoutFragment(uri), schema);
      this.register(schema, withoutFragment(uri));
    }
  }

  /** The base URI of a schema that stands within what this was made of. */
  baseOf(schema: object): string {
    return this.bases.get(schema) ?? ROOT;
  }

  /** Finds what `reference`, written in a schema with this base, leads to. */
  find(reference: string, base: string): ReferredSchema | undefined {
    const absolute = resolveUri(reference, base);
    const uri = withoutFragment(absolute);
    const fragment = absolute.slice(uri.length + 1);
    const resource = this.resources.get(uri);
    if (resource === undefined) return undefined;
    if (fragment !== '' && !fragment.startsWith('/')) {
      const anchored = this.anchors.get(`${uri}#${decode(fragment)}`);
      return anchored === undefined ? undefined : { schema: anchored, base: uri };
    }
    const path: SchemaPath | undefined = readPointer(decode(fragment));
    const found = path && followPath(resource, path);
    if (!isSchema(found)) return undefined;
    if (isSchemaMap(found) && !this.bases.has(found)) this.register(found, uri);
    return { schema: found, base: isSchemaMap(found) ? this.baseOf(found) : uri };
  }

  private register(schema: JsonSchema, base: string): void {
    if (!isSchemaMap(schema) || this.bases.has(schema)) return;
    const { $anchor: anchor, $dynamicAnchor: dynamicAnchor } = schema;
    // Up to draft 7 nothing beside `$ref` means anything.
    const id = this.isLatest || typeof schema.$ref !== 'string' ? schema.$id : undefined;
    let own = base;
    if (typeof id === 'string') {
      const uri = resolveUri(id, base);
      own = withoutFragment(uri);
      // In draft 7 an id that is a fragment alone is an anchor.
      if (own === base && uri.length > own.length + 1)
        this.anchors.set(`${own}#${uri.slice(own.length + 1)}`, schema);
      else this.resources.set(own, schema);
    }
    this.bases.set(schema, own);
    for (const name of [anchor, dynamicAnchor])
      if (typeof name === 'string') this.anchors.set(`${own}#${name}`, schema);
    for (const { schema: inner } of subschemasOf(schema)) this.register(inner, own);
  }
}

/** Relative names without anything that they are relative to keep apart from each other. */
function resolveUri(reference: string, base: string): string {
  if (reference.startsWith('#')) return `${withoutFragment(base)}${reference}`;
  if (URL.canParse(reference, base)) return new URL(reference, base).href;
  return URL.canParse(reference, 'schema://relative/')
    ? new URL(reference, 'schema://relative/').href
    : reference;
}

function withoutFragment(uri: string): string {
  const at = uri.indexOf('#');
  return at < 0 ? uri : uri.slice(0, at);
}

function decode(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}
