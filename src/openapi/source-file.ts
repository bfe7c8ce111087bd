import { extname } from 'node:path';
import type { ConfigDocument } from '../config/document/document.ts';
import { parseJson } from '../config/document/json-document.ts';
import { parseYaml } from '../config/document/yaml-document.ts';
import { readStrictJson } from '../json-schema/strict-json.ts';

/** A place in a file, both counted from 1. */
export interface SourcePlace {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

/** One thing that is wrong with a file, or deserves a look. */
export interface SourceFinding {
  /** What is wrong, with the remedy behind ' — '. */
  readonly text: string;
  readonly place: SourcePlace;
  readonly isDoubt?: boolean;
}

/** Reads a text file. */
export type ReadFile = (path: string) => Promise<string>;

/** Deeper than any document is. */
const MAX_DEPTH = 500;

/** A file of YAML or JSON: its data, and where each piece of it stands. */
export class SourceFile {
  readonly path: string;
  readonly data: unknown;
  /** Reads it for its places, which takes many times as long as to read it for its data. */
  private readonly readPlaces: () => ConfigDocument;
  private document: ConfigDocument | undefined = undefined;

  private constructor(path: string, data: unknown, readPlaces: () => ConfigDocument) {
    this.path = path;
    this.data = data;
    this.readPlaces = readPlaces;
  }

  /** Reads a file. Gives what is wrong where it is not YAML or JSON. Rejects where it cannot be read. */
  static async read(path: string, readFile: ReadFile): Promise<SourceFile | SourceFinding[]> {
    const text = await readFile(path);
    const isJson = extname(path).toLowerCase() === '.json';
    if (isJson) {
      const strict = readStrictJson(Buffer.from(text), { maxDepth: MAX_DEPTH, allowsProto: true });
      if (strict.fault === undefined) return new SourceFile(path, strict.value, () => parseJson(text));
    }
    const document = isJson ? parseJson(text) : parseYaml(text);
    if (document.isUsable && document.faults.length === 0)
      return new SourceFile(path, document.data, () => document);
    return document.faults.map(({ text: fault, position }) => ({
      text: fault,
      place: { file: path, ...position },
    }));
  }

  /** Finds where a value stands, or the nearest thing around it. */
  locate(path: readonly (string | number)[]): SourcePlace {
    this.document ??= this.readPlaces();
    return { file: this.path, ...this.document.locate(path) };
  }
}
