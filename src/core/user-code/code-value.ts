import { createHash } from 'node:crypto';

/**
 * Code that a configuration holds as a value (a policy, an app, an auth service) stands in its data as text, so that the
 * configuration stays data, which crosses processes. Two forms:
 *
 * - `sallyport-value:#7`: what was given to `createGateway` in this process.
 * - `sallyport-value:["<file>","<version>","upstreams","bff","app"]`: what a file exports within its default export.
 */
const SCHEME = 'sallyport-value:';

const ids = new WeakMap<object, number>();
const given = new Map<string, WeakRef<object>>();
const forget = new FinalizationRegistry<string>((name) => given.delete(name));
let lastId = 0;

/** Code that a file exports within its default export. */
export interface CodeInFile {
  readonly file: string;
  /** Stands for the content that the file had when it was read. */
  readonly version: string;
  /** The way to it from the default export. */
  readonly path: readonly string[];
}

/** Tells whether a text stands for code that was given as a value, not for a file. */
export function isCodeValue(text: string): boolean {
  return text.startsWith(SCHEME);
}

/** Names code in memory, the same code by the same name. Who names it keeps it: this does not. */
export function nameGivenCode(code: object): string {
  const name = `${SCHEME}#${idOf(code)}`;
  if (!given.has(name)) {
    given.set(name, new WeakRef(code));
    forget.register(code, name);
  }
  return name;
}

/** Finds code that was named in this process, `undefined` where it is gone. */
export function findGivenCode(name: string): object | undefined {
  return given.get(name)?.deref();
}

/** Numbers objects, the same one by the same number, for keys of what is made of them. */
export function idOf(code: object): number {
  const known = ids.get(code);
  if (known !== undefined) return known;
  lastId += 1;
  ids.set(code, lastId);
  return lastId;
}

/** Names code that a file exports, for any process that can import it. */
export function nameCodeInFile({ file, version, path }: CodeInFile): string {
  return SCHEME + JSON.stringify([file, version, ...path]);
}

/** Reads such a name, `undefined` where it is none. */
export function readCodeInFile(name: string): CodeInFile | undefined {
  if (!name.startsWith(`${SCHEME}[`)) return undefined;
  const [file = '', version = '', ...path] = JSON.parse(name.slice(SCHEME.length)) as string[];
  return { file, version, path };
}

/** Makes the `version` of a text. */
export function versionOf(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
