import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { HeaderList } from '../../core/header-list.ts';
import type { Reply } from '../../core/message.ts';

/** A response as it is stored, without `body` where that was too large. */
export interface StoredReply {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer | undefined;
}

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

interface RecordHead {
  readonly status: number;
  /** Names and values by turns. */
  readonly fields: readonly string[];
  readonly hasBody: boolean;
}

/**
 * Writes a response as bytes, encrypted: it may hold what only the caller is to see (`Set-Cookie`, a token in the body),
 * and whoever reads the store does not know the idempotency key that `secret` is made of.
 */
export function writeRecord({ status, headers, body }: StoredReply, secret: Buffer): Buffer {
  const fields = body === undefined ? [] : [...headers].flat();
  const head: RecordHead = { status, fields, hasBody: body !== undefined };
  const text = Buffer.from(`${JSON.stringify(head)}\n`);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, secret, nonce);
  const parts = [nonce, cipher.update(text)];
  if (body !== undefined) parts.push(cipher.update(body));
  parts.push(cipher.final(), cipher.getAuthTag());
  return Buffer.concat(parts);
}

/** Reads what `writeRecord` has written. Throws where it is anything else. */
export function readRecord(record: Buffer, secret: Buffer): StoredReply {
  const decipher = createDecipheriv(ALGORITHM, secret, record.subarray(0, NONCE_BYTES));
  decipher.setAuthTag(record.subarray(-TAG_BYTES));
  const bytes = Buffer.concat([decipher.update(record.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  const end = bytes.indexOf('\n');
  const { status, fields, hasBody } = JSON.parse(bytes.subarray(0, end).toString()) as RecordHead;
  const headers = HeaderList.from();
  for (let i = 0; i < fields.length; i += 2) headers.append(fields[i] as string, fields[i + 1] as string);
  return { status, headers, body: hasBody ? bytes.subarray(end + 1) : undefined };
}

/** The reply that a stored response is replayed as. */
export function replayOf({ status, headers, body = Buffer.alloc(0) }: StoredReply): Reply {
  headers.set('Idempotency-Replayed', 'true');
  return { status, headers, body };
}
