import { FieldKind } from '../../src/core/field-kind.ts';
import type { ClientRequest } from '../../src/core/message.ts';
import { requestHeadText } from '../../src/http1/target/request-head-text.ts';

/** Writes a request that was read whole as a target would get it. */
export function forwardedText(request: ClientRequest, body: string): string {
  const headers = request.headers.clone();
  headers.deleteKinds((1 << FieldKind.host) | (1 << FieldKind.contentLength));
  const head = requestHeadText({
    method: request.method,
    path: request.target,
    host: request.authority || 'a',
    headers,
    body: request.body,
    upgrade: undefined,
    acceptsTrailers: request.acceptsTrailers,
    responseTimeoutMs: 0,
  });
  if (request.body.length !== undefined) return `${head}${body}`;
  return body === '' ? `${head}0\r\n\r\n` : `${head}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
}
