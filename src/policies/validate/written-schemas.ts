import { resolve } from 'node:path';
import type { OptionFiles, OptionFinding } from '../../core/policy.ts';
import { findSchemaFaults } from '../../json-schema/schema-faults.ts';
import type { JsonSchema, SchemaFault } from '../../json-schema/schema-text.ts';
import { type ReadFile, SourceFile } from '../../openapi/source-file.ts';
import { fileOf, type ValidateOptions, type WrittenSchema } from './validate-options.ts';

/** The options that hold schemas. */
export const SCHEMA_OPTIONS = ['params', 'query', 'headers', 'cookies', 'body'] as const;

/** Finds what is wrong with the schemas that options hold or name. */
export async function findWrittenFaults(
  options: ValidateOptions,
  files: OptionFiles,
): Promise<OptionFinding[]> {
  const findings = await Promise.all(
    SCHEMA_OPTIONS.map(async (key): Promise<OptionFinding[]> => {
      const written = options[key];
      if (written === undefined) return [];
      const file = fileOf(written);
      if (file === undefined)
        return findingsOf(findSchemaFaults(written), (fault) => ({ path: [key, ...fault.path] }));
      const source = await SourceFile.read(resolve(files.folder, file), files.read);
      const path = [key, 'file'];
      if (Array.isArray(source)) return source.map((fault) => ({ path, ...fault }));
      return findingsOf(findSchemaFaults(source.data), (fault) => ({
        path,
        place: source.locate(fault.path),
      }));
    }),
  );
  return findings.flat();
}

function findingsOf(
  { faults, doubts }: ReturnType<typeof findSchemaFaults>,
  placeOf: (fault: SchemaFault) => Pick<OptionFinding, 'path' | 'place'>,
): OptionFinding[] {
  return [
    ...faults.map((fault) => ({ ...placeOf(fault), text: fault.text })),
    ...doubts.map((doubt) => ({ ...placeOf(doubt), text: doubt.text, isDoubt: true })),
  ];
}

/** Reads a schema that is written out or stands in a file. Throws where there is none. */
export async function readWrittenSchema(
  written: WrittenSchema,
  folder: string,
  readFile: ReadFile,
): Promise<JsonSchema> {
  const file = fileOf(written);
  if (file === undefined) return written;
  const source = await SourceFile.read(resolve(folder, file), readFile);
  if (Array.isArray(source)) throw new TypeError(`the schema in ${file} cannot be read`);
  return source.data as JsonSchema;
}
