import { StringDecoder } from 'node:string_decoder';

/** Reads one number out of a body that passes by. */
export interface UsageReader {
  /** Looks at a piece, which is only lent. */
  read(chunk: Uint8Array): void;
  /** The number as far as it is known. */
  value(): unknown;
}

/** A whole document is read up to this size; of a longer one, or a longer line, nothing. */
const MOST_CHARACTERS = 1024 * 1024;

/** Makes a reader for a type of content, `undefined` where it is not JSON. */
export function createUsageReader(contentType: string, path: readonly string[]): UsageReader | undefined {
  const type = (contentType.split(';')[0] as string).trim().toLowerCase();
  if (type === 'text/event-stream') return new LineReader(path, /^data:\s?/);
  if (/^application\/(?:x-)?(?:ndjson|jsonl|json-seq)$/.test(type)) return new LineReader(path, /^\x1e?/);
  if (type === 'application/json' || type.endsWith('+json')) return new DocumentReader(path);
  return undefined;
}

/** A JSON document, which is parsed when it is asked about. */
class DocumentReader implements UsageReader {
  private readonly path: readonly string[];
  private readonly decoder = new StringDecoder('utf8');
  private text = '';
  private isTooLong = false;

  constructor(path: readonly string[]) {
    this.path = path;
  }

  read(chunk: Uint8Array): void {
    if (this.isTooLong) return;
    this.text += this.decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    if (this.text.length <= MOST_CHARACTERS) return;
    this.isTooLong = true;
    this.text = '';
  }

  value(): unknown {
    return this.text === '' ? undefined : valueAt(this.text, this.path);
  }
}

/** Events or lines with JSON in each: the last one that has the number says it. */
class LineReader implements UsageReader {
  private readonly path: readonly string[];
  private readonly prefix: RegExp;
  /** A line without it holds no such member, and is not parsed. */
  private readonly mark: string;
  private readonly decoder = new StringDecoder('utf8');
  private line = '';
  private isTooLong = false;
  private last: unknown;

  constructor(path: readonly string[], prefix: RegExp) {
    this.path = path;
    this.prefix = prefix;
    this.mark = `"${path.at(-1) ?? ''}"`;
  }

  read(chunk: Uint8Array): void {
    const text = this.decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    const lines = text.split(/\r\n|\n|\r/);
    for (let i = 0; i < lines.length; i++) {
      if (i > 0) this.endLine();
      this.extend(lines[i] as string);
    }
  }

  value(): unknown {
    if (this.line !== '') this.endLine();
    return this.last;
  }

  private extend(text: string): void {
    if (this.isTooLong) return;
    this.line += text;
    if (this.line.length <= MOST_CHARACTERS) return;
    this.isTooLong = true;
    this.line = '';
  }

  private endLine(): void {
    const { line } = this;
    this.line = '';
    this.isTooLong = false;
    if (!line.includes(this.mark) || !this.prefix.test(line)) return;
    this.last = valueAt(line.replace(this.prefix, ''), this.path) ?? this.last;
  }
}

function valueAt(json: string, path: readonly string[]): unknown {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return typeof value === 'number' ? value : undefined;
}
