import { createRequire } from 'node:module';
import type { Readable } from 'node:stream';

/** One part of a multipart form. */
export interface FormPart {
  readonly name: string;
  readonly isFile: boolean;
  /** Media type in lower case, without parameters. */
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** More than any form has. */
const MAX_PARTS = 1000;
const MAX_NAME_BYTES = 200;
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_HEADERS = 4;

interface Busboy {
  on(
    event: 'file',
    listener: (name: string, stream: Readable, file?: string, coding?: string, type?: string) => void,
  ): this;
  on(event: 'finish' | 'error' | 'partsLimit' | 'filesLimit' | 'fieldsLimit', listener: () => void): this;
  end(bytes: Buffer): void;
}

interface BusboyOptions {
  readonly headers: { readonly 'content-type': string };
  readonly limits: Readonly<Record<string, number>>;
  readonly isPartAFile: () => boolean;
}

let busboy: (new (options: BusboyOptions) => Busboy) | undefined;

/**
 * Reads a multipart form. `undefined` for what readers could take for different forms: text before the first part or
 * behind the last one, a part without a name or with two, a part that the parser would pass over.
 */
export async function readMultipart(
  bytes: Buffer,
  contentType: string,
  boundary: string,
): Promise<FormPart[] | undefined> {
  const heads = readHeads(bytes, boundary);
  if (heads === undefined || heads.length > MAX_PARTS) return undefined;
  if (heads.length === 0) return [];
  const contents = await readContents(bytes, contentType);
  if (contents === undefined || contents.length !== heads.length) return undefined;
  const parts: FormPart[] = [];
  for (const [i, { name, isFile, mediaType }] of heads.entries()) {
    const content = contents[i] as { name: string; bytes: Buffer };
    if (content.name !== name) return undefined;
    parts.push({ name, isFile, mediaType, bytes: content.bytes });
  }
  return parts;
}

type PartHead = Omit<FormPart, 'bytes'>;

/** Every part is read as a file, so that its bytes are what came. */
function readContents(
  bytes: Buffer,
  contentType: string,
): Promise<{ name: string; bytes: Buffer }[] | undefined> {
  busboy ??= createRequire(import.meta.url)('@fastify/busboy') as typeof busboy;
  return new Promise((resolve) => {
    const found: { name: string; chunks: Buffer[] }[] = [];
    const limits = {
      fieldNameSize: MAX_NAME_BYTES,
      fieldSize: bytes.length,
      fields: MAX_PARTS,
      fileSize: bytes.length,
      files: MAX_PARTS,
      parts: MAX_PARTS,
      headerPairs: MAX_HEADERS,
      headerSize: MAX_HEADER_BYTES,
    };
    const fail = (): void => resolve(undefined);
    try {
      const Parser = busboy as NonNullable<typeof busboy>;
      const parser = new Parser({
        headers: { 'content-type': contentType },
        limits,
        isPartAFile: () => true,
      });
      parser.on('file', (name, stream) => {
        const chunks: Buffer[] = [];
        found.push({ name, chunks });
        stream.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', fail);
      });
      for (const event of ['error', 'partsLimit', 'filesLimit', 'fieldsLimit'] as const)
        parser.on(event, fail);
      parser.on('finish', () =>
        resolve(found.map(({ name, chunks }) => ({ name, bytes: Buffer.concat(chunks) }))),
      );
      parser.end(bytes);
    } catch {
      fail();
    }
  });
}

const CRLF = '\r\n';
const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const DISPOSITION = new RegExp(
  `^form-data((?:[ \\t]*;[ \\t]*${TOKEN}=(?:${TOKEN}|"[^"\\r\\n\\\\]*"))*)$`,
  'i',
);
const DISPOSITION_PARAMETER = new RegExp(`;[ \\t]*(${TOKEN})=(?:(${TOKEN})|"([^"]*)")`, 'g');
const PART_TYPE = new RegExp(`^(${TOKEN}/${TOKEN})(?:[ \\t]*;[ \\t]*charset=(?:utf-8|"utf-8"))?$`, 'i');

/** Reads what stands above each part, strictly. */
function readHeads(bytes: Buffer, boundary: string): PartHead[] | undefined {
  const delimiter = Buffer.from(`--${boundary}`, 'latin1');
  if (bytes.indexOf(delimiter) !== 0) return undefined;
  const heads: PartHead[] = [];
  const between = Buffer.from(`${CRLF}--${boundary}`, 'latin1');
  for (let at = delimiter.length; ; ) {
    const rest = bytes.toString('latin1', at, at + 4);
    // The end, with a line end behind it or none.
    if (rest.startsWith('--'))
      return at + 2 + (rest === `--${CRLF}` ? 2 : 0) === bytes.length ? heads : undefined;
    if (!rest.startsWith(CRLF)) return undefined;
    const end = bytes.indexOf('\r\n\r\n', at + 2);
    if (end < 0 || end - at > MAX_HEADER_BYTES || heads.length > MAX_PARTS) return undefined;
    const head = readHead(bytes.toString('utf8', at + 2, end));
    if (head === undefined) return undefined;
    heads.push(head);
    // An empty part ends with the line end that ends its head.
    const next = bytes.indexOf(between, end + 2);
    if (next < 0) return undefined;
    at = next + between.length;
  }
}

function readHead(text: string): PartHead | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split(CRLF)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (colon <= 0 || fields.has(name)) return undefined;
    fields.set(name, line.slice(colon + 1).trim());
  }
  const coding = fields.get('content-transfer-encoding') ?? 'binary';
  if (!/^(?:7bit|8bit|binary)$/i.test(coding)) return undefined;
  const parameters = readDisposition(fields.get('content-disposition') ?? '');
  const name = parameters?.get('name');
  const type = fields.get('content-type') ?? 'text/plain';
  const mediaType = PART_TYPE.exec(type)?.[1]?.toLowerCase();
  if (name === undefined || name === '' || mediaType === undefined) return undefined;
  return {
    name,
    isFile: parameters?.has('filename') === true || parameters?.has('filename*') === true,
    mediaType,
  };
}

function readDisposition(value: string): Map<string, string> | undefined {
  const written = DISPOSITION.exec(value)?.[1];
  if (written === undefined) return undefined;
  const parameters = new Map<string, string>();
  for (const [, name = '', token, quoted = ''] of written.matchAll(DISPOSITION_PARAMETER)) {
    if (parameters.has(name.toLowerCase())) return undefined;
    parameters.set(name.toLowerCase(), token ?? quoted);
  }
  return parameters;
}
