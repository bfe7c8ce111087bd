import type { TargetRequest } from '../../core/message.ts';

/** Writes the head of a request to a target, framing and `Connection` included. */
export function requestHeadText(request: TargetRequest): string {
  const { method, path, host, headers, body, upgrade } = request;
  let framing = '';
  if (body.length === undefined) framing = 'transfer-encoding: chunked\r\n';
  else if (body.length > 0 || EXPECTS_BODY.has(method)) framing = `content-length: ${body.length}\r\n`;
  if (upgrade !== undefined) framing += `connection: Upgrade\r\nupgrade: ${upgrade}\r\n`;
  else if (request.acceptsTrailers) framing += 'te: trailers\r\nconnection: te\r\n';
  return `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${headers.toLines()}${framing}\r\n`;
}

/** Methods for which "no body" is said by `Content-Length: 0` (RFC 9110 §8.6). */
const EXPECTS_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);
