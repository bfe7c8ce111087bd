import { STATUS_CODES } from 'node:http';
import { FieldKind } from '../core/field-kind.ts';
import type { HeaderList } from '../core/header-list.ts';
import { readDecimal } from './decimal.ts';

let dateSecond = 0;
let dateLine = '';

/** Returns the `Date` line for a moment of the wall clock, made anew once a second (RFC 9110 §6.6.1). */
export function dateLineAt(nowMs: number): string {
  const second = Math.floor(nowMs / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateLine = `date: ${new Date(second * 1000).toUTCString()}\r\n`;
  }
  return dateLine;
}

const statusLines: string[] = [];

/** Returns the status line, with the standard phrase where `reason` is empty. */
export function statusLine(status: number, reason: string): string {
  if (reason !== '') return `HTTP/1.1 ${status} ${reason}\r\n`;
  statusLines[status] ??= `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  return statusLines[status] as string;
}

/** Makes `Content-Length` say `length`, or takes it away where that is `undefined`. */
export function setContentLength(headers: HeaderList, length: number | undefined): void {
  const stated = headers.getKind(FieldKind.contentLength);
  if (length === undefined) {
    if (stated !== undefined) headers.deleteKind(FieldKind.contentLength);
  } else if (stated === undefined || readDecimal(stated) !== length) {
    if (stated !== undefined) headers.deleteKind(FieldKind.contentLength);
    headers.appendTrusted('content-length', String(length));
  }
}

/** Text up to this length leaves in one write that Node tries at once; longer text is copied and sent later. */
export const MERGED_BYTES = 16 * 1024;

/** Returns bytes as latin1 text. */
export function latin1(chunk: Uint8Array): string {
  const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
  return bytes.latin1Slice(0, bytes.length);
}
