import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isAlias, isCollection, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { copyPlainData } from './plain-data.ts';
import type { ConfigPath } from './problem.ts';

/** A place in a file, both counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A mistake found before anything is known of the format's meaning. */
export interface DocumentFault {
  readonly path: ConfigPath;
  readonly position?: Position;
  /** What is wrong, with the remedy behind ' — '. */
  readonly text: string;
}

/** A configuration file as read: its plain data, and where each piece of it stands. */
export interface ConfigDocument {
  readonly data: unknown;
  readonly faults: readonly DocumentFault[];
  /** Whether `data` is worth looking at in spite of `faults`. */
  readonly isUsable: boolean;
  /** Finds where a value stands, or the nearest thing around it; `key` asks for the place of its key. */
  locate(path: ConfigPath, what?: 'key' | 'value'): Position | undefined;
}

// Far above any configuration, low enough that reading one cannot exhaust memory.
const MAX_CHARACTERS = 64 * 1024 * 1024;
const MAX_ALIASES = 100;

/** Reads YAML or JSON, or imports TypeScript or JavaScript, by the ending of the file's name. */
export async function readDocument(
  file: string,
  readFile: (path: string) => Promise<string>,
): Promise<ConfigDocument> {
  const format = extname(file).toLowerCase();
  if (['.ts', '.mts', '.js', '.mjs'].includes(format)) return importDocument(file);
  if (!['.yaml', '.yml', '.json'].includes(format)) {
    return failed('is in no format that is known — name it .yaml, .json or .ts');
  }
  let text: string;
  try {
    text = await readFile(file);
  } catch (error) {
    return failed(`cannot be read (${codeOf(error)}) — check the name and who may read it`);
  }
  if (text.length > MAX_CHARACTERS) return failed('is too large — keep it below 64 MiB');
  return format === '.json' ? parseJson(text) : parseYaml(text);
}

/** Names the kind of a file-system error, such as `ENOENT`. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : 'error';
}

function failed(text: string, position?: Position): ConfigDocument {
  const fault = { path: [], text, ...(position ? { position } : {}) };
  return { data: undefined, faults: [fault], isUsable: false, locate: () => undefined };
}

async function importDocument(file: string): Promise<ConfigDocument> {
  let exported: { default?: unknown };
  try {
    exported = (await import(pathToFileURL(file).href)) as { default?: unknown };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return failed(`cannot be imported: ${reason} — correct the code`);
  }
  if (exported.default === undefined) {
    return failed('has no default export — write `export default defineGateway({ … })`');
  }
  const { data, faults } = copyPlainData(exported.default);
  return { data, faults, isUsable: faults.length === 0, locate: () => undefined };
}

/** JSON.parse judges, since YAML takes more than JSON; the YAML reader then knows duplicates and places. */
function parseJson(text: string): ConfigDocument {
  if (isJson(text)) return parseYaml(text);
  return failed('is not valid JSON — correct what stands at this place', positionAt(text, faultOffset(text)));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Searches for the longest beginning that could still become JSON, since V8 names the place of only some mistakes. */
function faultOffset(text: string): number {
  let good = 0;
  let bad = text.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (couldBecomeJson(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

function couldBecomeJson(beginning: string): boolean {
  try {
    JSON.parse(beginning);
    return true;
  } catch (error) {
    const reason = String(error);
    return /end of JSON|Unterminated/.test(reason) || reason.includes(`at position ${beginning.length} `);
  }
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}

function parseYaml(text: string): ConfigDocument {
  const lines = new LineCounter();
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
    const faults = [...document.errors, ...document.warnings].map(({ code, message, pos }) => ({
      path: [],
      position: positionOf(pos[0]),
      text:
        code === 'DUPLICATE_KEY'
          ? 'this key is there twice — keep one of them'
          : `${firstLine(message)} — ${remedyFor(lineAround(text, pos[0]))}`,
    }));
    const isUsable = [...document.errors, ...document.warnings].every(({ code }) => code === 'DUPLICATE_KEY');
    if (!isUsable) return { data: undefined, faults, isUsable, locate: () => undefined };
    const locate = (path: ConfigPath, what: 'key' | 'value' = 'value') => {
      const offset = findOffset(document.contents, path, what, (node) =>
        isAlias(node) ? node.resolve(document) : node,
      );
      return offset === undefined ? undefined : positionOf(offset);
    };
    return { data: document.toJS({ maxAliasCount: MAX_ALIASES }), faults, isUsable, locate };
  } catch {
    // The reader throws for too many aliases and for nesting that exhausts the stack.
    return failed('is nested too deeply or uses too many aliases — write it out plainly');
  }
}

/** A bare reference inside `[…]` or `{…}` is what people meet first, since YAML reads its braces. */
function remedyFor(line: string): string {
  return line.includes('${') ? 'quote what holds a reference' : 'correct the YAML';
}

function lineAround(text: string, offset: number): string {
  const end = text.indexOf('\n', offset);
  return text.slice(text.lastIndexOf('\n', offset - 1) + 1, end < 0 ? text.length : end);
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? message;
}

type Resolve = (node: unknown) => unknown;

/** Finds the offset of what `path` leads to, or of the last thing on the way that exists. */
function findOffset(
  root: unknown,
  path: ConfigPath,
  what: 'key' | 'value',
  resolve: Resolve,
): number | undefined {
  let node = resolve(root);
  let offset = offsetOf(node);
  for (const [i, step] of path.entries()) {
    const isLast = i === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (pair === undefined) return offset;
      const isInline = isScalar(pair.value) && pair.value.value !== null;
      const isAtValue = isLast && what === 'value' && isInline;
      offset = offsetOf(isAtValue ? pair.value : pair.key) ?? offset;
      node = resolve(pair.value);
    } else if (isSeq(node)) {
      node = resolve(node.items[Number(step)]);
      if (node === undefined) return offset;
      offset = offsetOf(node) ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

function offsetOf(node: unknown): number | undefined {
  if (!isScalar(node) && !isCollection(node)) return undefined;
  return (node as Node).range?.[0];
}
