import { promisify } from 'node:util';
// As a whole, since an old Node has none of these and is to say so in our words.
import zlib, { type ZstdOptions } from 'node:zlib';
import { z } from 'zod';
import { HeaderList } from '../../core/header-list.ts';
import type { StoredResponse } from '../../core/stores/cache-store.ts';

const compress = (bytes: Buffer) => promisify(zlib.zstdCompress)(bytes);
const decompress = (bytes: Buffer, options: ZstdOptions) => promisify(zlib.zstdDecompress)(bytes, options);

/** Whose value it is, and the version of its format. */
const MARK = Buffer.from('SPC1', 'latin1');
/** Mark, checksum of what follows, length of the head. */
const PREFIX_BYTES = 12;
/** Less is not worth it. */
const COMPRESSED_FROM = 1024;
/** The largest body that is stored, before it is compressed. */
export const MAX_SHARED_BODY = 8 * 1024 * 1024;

/** A response as it travels between gateways: what only one process knows stands there in a form that all know. */
export interface SharedResponse {
  /** The key that it is stored under, whole, since the name of the value is only its hash. */
  readonly key: string;
  readonly url: string;
  /** The last purge that it has seen. */
  readonly epoch: string;
  readonly seq: number;
  /** Its times by the clock that all have. `requestedAt` says nothing outside of its process. */
  readonly response: StoredResponse;
}

const count = () => z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const texts = () => z.array(z.string());

const HEAD = z.strictObject({
  key: z.string(),
  url: z.string(),
  epoch: z.string(),
  seq: count(),
  status: z.int().min(200).max(599),
  headers: z.array(z.tuple([z.string(), z.string()])),
  rules: z.strictObject({
    scope: z.enum(['everybody', 'subject']),
    isForAll: z.boolean(),
    isSilent: z.boolean(),
    initialAgeMs: count(),
    lifetimeMs: count(),
    staleWhileRevalidateMs: count(),
    staleIfErrorMs: count(),
    alwaysValidate: z.boolean(),
    neverStale: z.boolean(),
    hiddenFields: texts(),
    vary: texts(),
  }),
  variantKey: z.string(),
  responseTime: z.number(),
  staleSince: z.number().nullable(),
  tags: texts(),
  length: z.int().min(0).max(MAX_SHARED_BODY),
  isCompressed: z.boolean(),
});

/**
 * Writes a response as bytes: a mark with the version, a checksum, a head in JSON, and the body, compressed where it is
 * large and not compressed already.
 */
export async function writeShared({ key, url, epoch, seq, response }: SharedResponse): Promise<Buffer> {
  const { status, headers, rules, variantKey, responseTime, staleSince, tags, body } = response;
  const isWorthIt = body.length >= COMPRESSED_FROM && !headers.has('content-encoding');
  const compressed = isWorthIt ? await compress(body) : body;
  const isCompressed = compressed.length < body.length;
  const head: z.input<typeof HEAD> = {
    ...{ key, url, epoch, seq, status },
    headers: [...headers].map(([name, value]): [string, string] => [name, value]),
    rules: { ...rules, hiddenFields: [...rules.hiddenFields], vary: [...rules.vary] },
    ...{ variantKey, responseTime, staleSince: staleSince ?? null, tags: [...tags] },
    ...{ length: body.length, isCompressed },
  };
  const text = Buffer.from(JSON.stringify(head));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  MARK.copy(prefix);
  prefix.writeUInt32BE(text.length, 8);
  const bytes = Buffer.concat([prefix, text, isCompressed ? compressed : body]);
  bytes.writeUInt32BE(zlib.crc32(bytes.subarray(8)), 4);
  return bytes;
}

/** Reads a response; `undefined` where the bytes are none, are damaged, or are of another version. */
export async function readShared(bytes: Buffer): Promise<SharedResponse | undefined> {
  if (bytes.length < PREFIX_BYTES || !bytes.subarray(0, 4).equals(MARK)) return undefined;
  if (bytes.readUInt32BE(4) !== zlib.crc32(bytes.subarray(8))) return undefined;
  const end = PREFIX_BYTES + bytes.readUInt32BE(8);
  if (end > bytes.length) return undefined;
  try {
    const head = HEAD.parse(JSON.parse(bytes.toString('utf8', PREFIX_BYTES, end)));
    const { key, url, epoch, seq, length, isCompressed, staleSince, headers, ...rest } = head;
    const rest_ = bytes.subarray(end);
    // A copy, since the bytes may be part of much more that was read.
    const body = isCompressed ? await decompress(rest_, { maxOutputLength: length }) : Buffer.from(rest_);
    if (body.length !== length) return undefined;
    const response = {
      ...{ status: rest.status, headers: HeaderList.from(headers), body, rules: rest.rules },
      ...{ variantKey: rest.variantKey, responseTime: rest.responseTime },
      ...{ staleSince: staleSince ?? undefined, tags: rest.tags, requestedAt: 0 },
    };
    return { key, url, epoch, seq, response };
  } catch {
    return undefined;
  }
}
