import { resolve } from 'node:path';
import { NOT_TEXT } from '../../core/disk/read-text-file.ts';
import type { ConfigPath } from '../problem.ts';
import { codeOf, type DocumentFault } from './document.ts';
import { findReferenceDoubt, findReferenceFault } from './reference-value.ts';

/** Where references find their values. */
export interface ReferenceSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The folder from which `${file:…}` is found. */
  readonly folder: string;
  readonly readFile: (path: string) => Promise<string>;
}

/** A configuration with its references replaced, and what must be known of them afterwards. */
export interface Interpolated {
  readonly data: unknown;
  readonly faults: readonly DocumentFault[];
  /** What is allowed but deserves a look. */
  readonly doubts: readonly DocumentFault[];
  /** What stands at each place that held a reference, by `pathKey`. */
  readonly references: ReadonlyMap<string, Reference>;
  /** The values that came out of references, none of which may be shown. */
  readonly secrets: ReadonlySet<string>;
}

export interface Reference {
  readonly path: ConfigPath;
  /** Whether the whole value is one reference, which then takes the type that its place asks for. */
  readonly isWhole: boolean;
  /** Whether it could not be replaced, so that nothing more can be said about its place. */
  readonly isBroken: boolean;
}

/** Makes a path into a key of a map. */
export function pathKey(path: ConfigPath): string {
  return JSON.stringify(path.map(String));
}

const TOKEN = /\$\$\{|\$\{(?:file:([^}]+)|([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?)\}|\$\{/g;

/** Replaces `${NAME}`, `${NAME:-default}` and `${file:…}` in every text, once; `$${` stands for `${`. */
export async function interpolate(data: unknown, sources: ReferenceSources): Promise<Interpolated> {
  const files = await readReferencedFiles(data, sources);
  const faults: DocumentFault[] = [];
  const doubts: DocumentFault[] = [];
  const references = new Map<string, Reference>();
  const secrets = new Set<string>();

  const replaceText = (text: string, path: ConfigPath): string => {
    if (!text.includes('${')) return text;
    const found = replaceReferences(text, sources.env, files);
    for (const fault of found.faults) faults.push({ path, text: fault });
    for (const doubt of found.doubts) doubts.push({ path, text: doubt });
    for (const value of found.values) if (value !== '') secrets.add(value);
    if (found.values.length > 0 || found.faults.length > 0) {
      const reference = { path, isWhole: found.isWhole, isBroken: found.faults.length > 0 };
      references.set(pathKey(path), reference);
    }
    return found.text;
  };

  const walk = (value: unknown, path: ConfigPath): unknown => {
    if (typeof value === 'string') return replaceText(value, path);
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((item, i) => walk(item, [...path, i]));
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key])]));
  };

  return { data: walk(data, []), faults, doubts, references, secrets };
}

interface Replaced {
  readonly text: string;
  readonly values: readonly string[];
  readonly faults: readonly string[];
  readonly doubts: readonly string[];
  readonly isWhole: boolean;
}

function replaceReferences(
  text: string,
  env: ReferenceSources['env'],
  files: ReadonlyMap<string, string | Error>,
): Replaced {
  const values: string[] = [];
  const faults: string[] = [];
  const doubts: string[] = [];
  let isWhole = false;
  const replaced = text.replace(TOKEN, (token, file?: string, name?: string, fallback?: string) => {
    if (token === '$${') return '${';
    const value = file === undefined ? findVariable(env, name, fallback) : files.get(file);
    if (typeof value !== 'string') {
      faults.push(explainMissing(name, file, value));
      return token;
    }
    const source = file === undefined ? `the variable ${name}` : `the file '${file}'`;
    const [fault, doubt] = [findReferenceFault(value), findReferenceDoubt(value)];
    if (fault !== undefined) faults.push(`${source} ${fault}`);
    if (doubt !== undefined) doubts.push(`${source} ${doubt}`);
    values.push(value);
    isWhole = token === text;
    return value;
  });
  return { text: replaced, values, faults, doubts, isWhole };
}

function findVariable(
  env: ReferenceSources['env'],
  name: string | undefined,
  fallback: string | undefined,
): string | undefined {
  const value = name === undefined ? undefined : env[name];
  // As in a shell, `:-` also stands in for a variable that is set but empty.
  return fallback !== undefined && (value === undefined || value === '') ? fallback : value;
}

function explainMissing(name: string | undefined, file: string | undefined, error: unknown): string {
  if (file !== undefined && codeOf(error) === NOT_TEXT)
    return `the file '${file}' holds bytes that are not text — write them in base64, as text`;
  if (file !== undefined)
    return `the file '${file}' cannot be read (${codeOf(error)}) — create it, or correct its name`;
  if (name === undefined) {
    return `holds '\${' that begins no reference — write \${NAME}, \${NAME:-default} or \${file:path}; $$\{ is a plain \${`;
  }
  return `the environment has no variable ${name} — set it, or write \${${name}:-default}`;
}

async function readReferencedFiles(
  data: unknown,
  { folder, readFile }: ReferenceSources,
): Promise<Map<string, string | Error>> {
  const files = new Map<string, string | Error>();
  const collect = (value: unknown): void => {
    if (typeof value === 'string') {
      if (!value.includes('${file:')) return;
      for (const [, file] of value.matchAll(TOKEN)) if (file !== undefined) files.set(file, '');
    } else if (typeof value === 'object' && value !== null) {
      Object.values(value).forEach(collect);
    }
  };
  collect(data);
  for (const file of files.keys()) {
    try {
      files.set(file, (await readFile(resolve(folder, file))).replace(/\r?\n$/, ''));
    } catch (error) {
      files.set(file, error instanceof Error ? error : new Error(String(error)));
    }
  }
  return files;
}
