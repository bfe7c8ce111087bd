import type { MessageParser } from '../message-parser.ts';
import type { ReceivedBytes } from './received-bytes.ts';

const REQUEST_TARGET_QUERY = /^[^?\r\n]*\?[^\r\n]*/;
const RAW = /[\x80-\xff]/g;

/**
 * Writes raw bytes above 127 in the query of the head that `parser` gave up on as `%C3`, so that it can be read again from
 * its start: its parser takes none. Answers `false` where there are none, so that something else is wrong.
 */
export function encodeRawQuery(parser: MessageParser, received: ReceivedBytes): boolean {
  const { text } = parser;
  const line = REQUEST_TARGET_QUERY.exec(text)?.[0] ?? '';
  const pathEnd = line.indexOf('?');
  const encoded = line.slice(0, pathEnd) + line.slice(pathEnd).replace(RAW, encodeByte);
  if (encoded === line) return false;
  parser.finish();
  received.replace(Buffer.from(encoded + text.slice(line.length), 'latin1'));
  return true;
}

function encodeByte(byte: string): string {
  return `%${byte.charCodeAt(0).toString(16).toUpperCase()}`;
}
