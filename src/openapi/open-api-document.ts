import { dirname, resolve } from 'node:path';
import { followPath, isSchemaMap, readPointer } from '../json-schema/schema-text.ts';
import { type ReadFile, SourceFile, type SourceFinding, type SourcePlace } from './source-file.ts';

/** The versions that are read. */
export type OpenApiVersion = '3.0' | '3.1' | '3.2';

/** A value within the files of a document, and where it stands. */
export interface Located {
  readonly value: unknown;
  readonly file: SourceFile;
  readonly path: readonly (string | number)[];
}

/** More files than one document is ever written in. */
const MAX_FILES = 100;
/** Of references to references. */
const MAX_CHAIN = 20;

/** An OpenAPI document with the files that it refers to. Nothing is fetched. */
export class OpenApiDocument {
  readonly version: OpenApiVersion;
  readonly root: Located;
  private readonly files: ReadonlyMap<string, SourceFile>;

  private constructor(version: OpenApiVersion, files: ReadonlyMap<string, SourceFile>, root: SourceFile) {
    this.version = version;
    this.files = files;
    this.root = { value: root.data, file: root, path: [] };
  }

  /**
   * Reads a document and the local files that it refers to. Gives what is wrong where it cannot be used at all. Rejects
   * where its own file cannot be read.
   */
  static async load(path: string, readFile: ReadFile): Promise<OpenApiDocument | SourceFinding[]> {
    const root = await SourceFile.read(resolve(path), readFile);
    if (Array.isArray(root)) return root;
    const version = versionOf(root);
    if (typeof version !== 'string') return [version];
    const files = new Map([[root.path, root]]);
    const faults = await readReferredFiles(root, files, readFile);
    return faults.length > 0 ? faults : new OpenApiDocument(version, files, root);
  }

  /** The paths of all files that were read. */
  get paths(): string[] {
    return [...this.files.keys()];
  }

  /** Goes on to what stands within a value. */
  within({ value, file, path }: Located, ...steps: (string | number)[]): Located {
    return { value: followPath(value, steps), file, path: [...path, ...steps] };
  }

  /** Finds what a reference leads to that stands in `file`. */
  refer(reference: string, file: SourceFile): Located | undefined {
    const at = reference.indexOf('#');
    const name = at < 0 ? reference : reference.slice(0, at);
    const target = name === '' ? file : this.files.get(resolve(dirname(file.path), decode(name)));
    const path = readPointer(decode(at < 0 ? '' : reference.slice(at + 1)));
    if (target === undefined || path === undefined) return undefined;
    const steps = path.map((step, i) =>
      Array.isArray(followPath(target.data, path.slice(0, i))) ? Number(step) : step,
    );
    const value = followPath(target.data, steps);
    return value === undefined ? undefined : { value, file: target, path: steps };
  }

  /** Follows a Reference Object to what it stands for; `undefined` where that is not there. */
  follow(located: Located): Located | undefined {
    let at: Located | undefined = located;
    for (let i = 0; i < MAX_CHAIN && at !== undefined; i++) {
      const { value, file }: Located = at;
      const reference = isSchemaMap(value) ? value.$ref : undefined;
      if (typeof reference !== 'string') return at;
      at = this.refer(reference, file);
    }
    return undefined;
  }

  /** Where a value stands. */
  placeOf({ file, path }: Located): SourcePlace {
    return file.locate(path);
  }
}

function versionOf(root: SourceFile): OpenApiVersion | SourceFinding {
  const { openapi, swagger } = isSchemaMap(root.data) ? root.data : {};
  const version = /^(3\.[012])(?:\.|$)/.exec(String(openapi))?.[1];
  if (version !== undefined) return version as OpenApiVersion;
  const place = root.locate([openapi === undefined ? 'swagger' : 'openapi']);
  if (swagger !== undefined)
    return { text: 'is Swagger 2.0, which is not read here — convert it to OpenAPI 3.1', place };
  if (openapi === undefined)
    return { text: 'is not an OpenAPI document — begin it with openapi: 3.1.0', place };
  return { text: 'is a version of OpenAPI that is not known here — write 3.0, 3.1 or 3.2', place };
}

/** Reads the files that are referred to, and those that these refer to. */
async function readReferredFiles(
  root: SourceFile,
  files: Map<string, SourceFile>,
  readFile: ReadFile,
): Promise<SourceFinding[]> {
  const faults: SourceFinding[] = [];
  const queue = [root];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    for (const { reference, path } of findReferences(file.data)) {
      const name = reference.split('#', 1)[0] as string;
      if (name === '' || isUri(name)) continue;
      const target = resolve(dirname(file.path), decode(name));
      if (files.has(target)) continue;
      const place = file.locate(path);
      if (files.size === MAX_FILES)
        return [{ text: `refers to more than ${MAX_FILES} files — put them together`, place }];
      try {
        const read = await SourceFile.read(target, readFile);
        if (Array.isArray(read)) faults.push(...read);
        else {
          files.set(target, read);
          queue.push(read);
        }
      } catch {
        faults.push({ text: 'refers to a file that cannot be read — create it, or correct its name', place });
      }
    }
  }
  return faults;
}

function* findReferences(
  value: unknown,
  path: readonly (string | number)[] = [],
): Generator<{ reference: string; path: readonly (string | number)[] }> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    // What stands in an example is data.
    if (key === 'example' || key === 'default' || key === 'enum' || key === 'const') continue;
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    if (key === '$ref' && typeof inner === 'string') yield { reference: inner, path: at };
    else yield* findReferences(inner, at);
  }
}

function isUri(name: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]+:/.test(name);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
