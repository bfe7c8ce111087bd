import { promisify } from 'node:util';
import zlib from 'node:zlib';

/** Why a body in a content coding is not read: the coding is not known, or the body is too large, or not what it says. */
export type CodingFault = 'unknown' | 'too-large' | 'broken';

interface DecodeOptions {
  readonly maxOutputLength: number;
  readonly info: true;
}

/** What a decoder of `node:zlib` gives where it is asked for its engine as well. */
interface Decoded {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

type Decoder = (
  bytes: Buffer,
  options: DecodeOptions,
  callback: (error: Error | null, result: Decoded) => void,
) => void;

const DECODERS: Readonly<Record<string, Decoder | undefined>> = {
  gzip: zlib.gunzip as unknown as Decoder,
  'x-gzip': zlib.gunzip as unknown as Decoder,
  deflate: zlib.inflate as unknown as Decoder,
  br: zlib.brotliDecompress as unknown as Decoder,
  // Node 20 has none.
  zstd: (zlib as { zstdDecompress?: unknown }).zstdDecompress as Decoder | undefined,
};

/** The codings that are read, for `Accept-Encoding`. */
export const CODINGS = 'gzip, deflate, br, zstd, identity';

/** The coding that a value of `Content-Encoding` names: `identity` for none, `undefined` for one that is not read here. */
export function readCoding(value: string | undefined): string | undefined {
  const coding = value?.trim().toLowerCase() ?? 'identity';
  if (coding === 'identity') return coding;
  return Object.hasOwn(DECODERS, coding) && DECODERS[coding] !== undefined ? coding : undefined;
}

/**
 * Undoes a content coding. Decoders stop behind the first end that they see, and drop what follows; others read on. So
 * what was not read to its last byte is broken, as is an empty body of many bytes: a frame that is skipped stands in it.
 */
export async function decodeContent(
  bytes: Buffer,
  coding: string,
  maxBytes: number,
): Promise<Buffer | Exclude<CodingFault, 'unknown'>> {
  if (coding === 'identity') return bytes;
  const decode = promisify(DECODERS[coding] as Decoder) as (
    given: Buffer,
    options: DecodeOptions,
  ) => Promise<Decoded>;
  try {
    const { buffer, engine } = await decode(bytes, { maxOutputLength: maxBytes, info: true });
    const isWhole = engine.bytesWritten === bytes.length && !(coding === 'zstd' && !isOneFrame(bytes));
    return isWhole ? buffer : 'broken';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'too-large' : 'broken';
  }
}

const ZSTD_MAGIC = 0xfd2fb528;

/** A skippable frame (RFC 8878 §3.1.2) in front yields nothing to some decoders, and is passed over by others. */
function isOneFrame(bytes: Buffer): boolean {
  return bytes.length >= 4 && bytes.readUInt32LE(0) === ZSTD_MAGIC;
}
