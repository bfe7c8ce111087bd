/** A JSON Schema: `true`, `false`, or a map of keywords. */
export type JsonSchema = boolean | Readonly<Record<string, unknown>>;

/** The way from the root of a document to a place in it. */
export type SchemaPath = readonly (string | number)[];

/** One mistake in a schema: where it is, what is wrong, and behind ' — ' what to write instead. */
export interface SchemaFault {
  readonly path: SchemaPath;
  readonly text: string;
}

/** Tells whether a value is a map of keywords. */
export function isSchemaMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Tells whether a value has the form of a schema. */
export function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'boolean' || isSchemaMap(value);
}

/** Writes one step of a JSON pointer (RFC 6901 §3). */
export function escapeStep(step: string | number): string {
  return String(step).replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Writes a JSON pointer, empty for the root. */
export function pointerTo(path: SchemaPath): string {
  return path.map((step) => `/${escapeStep(step)}`).join('');
}

/** Reads a JSON pointer into its steps, `undefined` where it is none. */
export function readPointer(pointer: string): string[] | undefined {
  if (pointer === '') return [];
  if (!pointer.startsWith('/')) return undefined;
  return pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Follows a path into plain data; `undefined` where it leads nowhere. */
export function followPath(root: unknown, path: SchemaPath): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

/** Tells whether a schema names draft 7 or an older one as its dialect. */
export function isOldDialect(schema: unknown): boolean {
  return isSchemaMap(schema) && /draft-0[3-7]/.test(String(schema.$schema));
}
