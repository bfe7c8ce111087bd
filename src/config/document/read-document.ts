import { extname } from 'node:path';
import { importDocument } from './code-document.ts';
import { type ConfigDocument, codeOf, failedDocument } from './document.ts';
import { parseJson } from './json-document.ts';
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
