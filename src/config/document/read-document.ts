import { extname } from 'node:path';
import { importUserModule } from '../../core/import-user-module.ts';
import { type ConfigDocument, codeOf, failedDocument } from './document.ts';
import { parseJson } from './json-document.ts';
import { copyPlainData } from './plain-data.ts';
import { parseYaml } from './yaml-document.ts';

// Far above any configuration, low enough that reading one cannot exhaust memory.
const MAX_CHARACTERS = 64 * 1024 * 1024;

/** Reads YAML or JSON, or imports TypeScript or JavaScript, by the ending of the file's name. */
export async function readDocument(
  file: string,
  readFile: (path: string) => Promise<string>,
): Promise<ConfigDocument> {
  const format = extname(file).toLowerCase();
  if (['.ts', '.mts', '.js', '.mjs'].includes(format)) return importDocument(file);
  if (!['.yaml', '.yml', '.json'].includes(format)) {
    return failedDocument('is in no format that is known — name it .yaml, .yml, .json or .ts');
  }
  let text: string;
  try {
    text = await readFile(file);
  } catch (error) {
    return failedDocument(`cannot be read (${codeOf(error)}) — check the name and who may read it`);
  }
  if (text.length > MAX_CHARACTERS) return failedDocument('is too large — keep it below 64 MiB');
  return format === '.json' ? parseJson(text) : parseYaml(text);
}

async function importDocument(file: string): Promise<ConfigDocument> {
  let exported: { default?: unknown };
  try {
    exported = await importUserModule(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return failedDocument(`cannot be imported: ${reason} — correct the code`);
  }
  if (exported.default === undefined) {
    return failedDocument('has no default export — write `export default defineGateway({ … })`');
  }
  const { data, faults } = copyPlainData(exported.default);
  return { data, faults, isUsable: faults.length === 0, locate: () => undefined };
}
