import { readFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { nameCodeInFile, nameGivenCode } from '../../core/user-code/code-value.ts';
import { importConfigModule } from '../../core/user-code/import-user-module.ts';
import type { ConfigPath } from '../problem.ts';
import { type ConfigDocument, type DocumentFault, failedDocument, type Position } from './document.ts';
import { copyPlainData } from './plain-data.ts';
import type { Locate } from './source-places.ts';

const OWN_FOLDER = new URL('../../', import.meta.url).href;

/** Imports a configuration in TypeScript or JavaScript. */
export async function importDocument(file: string): Promise<ConfigDocument> {
  let imported: Awaited<ReturnType<typeof importConfigModule>>;
  try {
    imported = await importConfigModule(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const position = placeOfError(error, file);
    const elsewhere = position === undefined ? otherPlace(error) : '';
    return failedDocument(`cannot be imported: ${reason}${elsewhere} — correct the code`, position);
  }
  const { exported, version } = imported;
  if (exported.default === undefined)
    return failedDocument('has no default export — write `export default defineGateway({ … })`');
  const nameCode = (_: object, path: ConfigPath): string =>
    nameCodeInFile({ file, version, path: path.map(String) });
  const { data, faults } = copyPlainData(exported.default, nameCode);
  const locate = await createLocate(file);
  return { ...placed(data, faults, locate), locate };
}

/** Takes a configuration that is a value in this process. It has no places. */
export function valueDocument(config: unknown): ConfigDocument {
  const { data, faults } = copyPlainData(config, nameGivenCode);
  return { ...placed(data, faults, () => undefined), locate: () => undefined };
}

function placed(
  data: unknown,
  faults: readonly DocumentFault[],
  locate: Locate,
): Pick<ConfigDocument, 'data' | 'faults' | 'isUsable'> {
  const found = faults.map((fault) => {
    const position = locate(fault.path, 'value');
    return position === undefined ? fault : { ...fault, position };
  });
  return { data, faults: found, isUsable: faults.length === 0 };
}

/** The source is parsed only when a place in it is asked for, since most configurations are good. */
async function createLocate(file: string): Promise<Locate> {
  const [text, { createSourceLocate }] = await Promise.all([
    readFile(file, 'utf8').catch(() => undefined),
    import('./source-places.ts'),
  ]);
  if (text === undefined) return () => undefined;
  let locate: Locate | undefined;
  return (path, what) => {
    locate ??= createSourceLocate(text);
    return locate(path, what);
  };
}

/** Finds, in the stack of an error, the first place in a file: where its code threw, or cannot be read. */
function placeOfError(error: unknown, file: string): Position | undefined {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const [name] = [pathToFileURL(file).href, file].filter((each) => stack.includes(each));
  if (name === undefined) return undefined;
  const behind = stack.slice(stack.indexOf(name) + name.length);
  const [, line, column] = /^(?:\?version=\w+)?:(\d+)(?::(\d+))?/.exec(behind) ?? [];
  if (line === undefined) return undefined;
  return { line: Number(line), column: Number(column ?? caretColumn(behind)) };
}

/** Says where it is that another file, which this one imports, throws or cannot be read. */
function otherPlace(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const [, url, rest] = /(file:\/\/[^\s?)]+?)(?:\?\S*?)?((?::\d+)+)/.exec(stack) ?? [];
  const isOfUser = url !== undefined && !url.startsWith(OWN_FOLDER);
  return isOfUser ? ` (at ${fileURLToPath(url)}${rest})` : '';
}

/** Node points with carets at what it cannot read, below the line. */
function caretColumn(stack: string): number {
  const carets = /^(\s*)\^+\s*$/m.exec(stack);
  return (carets?.[1]?.length ?? 0) + 1;
}
