import { HeaderList } from '../../core/header-list.ts';
import type { Reply } from '../../core/message.ts';
import { dateLineAt, statusLine } from '../head-writer.ts';

/** Writes a whole response with a body of text, after which the connection closes. */
export function replyText(reply: Reply, nowMs: number): string {
  const headers = reply.headers instanceof HeaderList ? reply.headers : HeaderList.from(reply.headers ?? {});
  const body = typeof reply.body === 'string' ? reply.body : '';
  const length = Buffer.byteLength(body);
  headers.set('content-length', String(length));
  const text = Buffer.from(body).toString('latin1');
  return `${statusLine(reply.status, '')}${headers.toLines()}${dateLineAt(nowMs)}connection: close\r\n\r\n${text}`;
}
