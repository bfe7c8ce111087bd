import { createRequire } from 'node:module';
import type { JsonSchema } from './schema-text.ts';

/** One thing that is wrong with a value, as `typebox` reports it. */
export interface ReportedError {
  readonly keyword: string;
  /** JSON pointer of the value. */
  readonly instancePath: string;
  readonly schemaPath: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** What `typebox` makes of a schema. */
export interface TypeboxValidator {
  Check(value: unknown): boolean;
  Errors(value: unknown): [isValid: boolean, errors: ReportedError[]];
}

/** The parts of `typebox/schema` that are used. */
export interface Typebox {
  Compile(references: Readonly<Record<string, JsonSchema>>, schema: JsonSchema): TypeboxValidator;
  /** The meta-schemas, by their URI. */
  readonly Meta: Readonly<Record<string, JsonSchema>>;
}

/** More errors than anybody mends at once. */
export const MAX_ERRORS = 20;

let loaded: Typebox | undefined;

/** Loads the compiler of schemas, which takes some 100 ms, when the first schema is met. */
export function loadTypebox(): Typebox {
  if (loaded !== undefined) return loaded;
  const load = createRequire(import.meta.url);
  const { Clear } = load('typebox/format') as { Clear(): void };
  const { Settings } = load('typebox/system') as { Settings: { Set(options: { maxErrors: number }): void } };
  // `format` is an annotation (JSON Schema 2020-12, validation §7.2.1): what it asserts would depend on who asserts it.
  Clear();
  Settings.Set({ maxErrors: MAX_ERRORS });
  loaded = load('typebox/schema') as Typebox;
  return loaded;
}
