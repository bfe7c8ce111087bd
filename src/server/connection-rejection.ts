import type { Socket } from 'node:net';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { problemReply } from '../core/problem.ts';
import { newRequestId } from '../core/request-id.ts';

/** How many rejected connections may wait for their response to be read; more are dropped without one. */
export const MAX_LINGERING = 64;

const LINGER_MS = 1000;

/**
 * Answers a connection above the limit with 503 without reading a request.
 * What the client sends is drained for a moment, since closing with unread bytes would reset the connection and
 * take the response away (RFC 9112 §9.6).
 */
export function rejectConnection(socket: Socket, clock: Clock): void {
  const cancelTimeout = clock.after(LINGER_MS, () => socket.destroy());
  socket.on('error', () => {});
  socket.once('end', () => socket.destroy());
  socket.once('close', cancelTimeout);
  socket.resume();
  socket.end(rejection());
}

function rejection(): string {
  const reply = problemReply(new GatewayError('GW_TOO_MANY_CONNECTIONS'), newRequestId());
  const body = String(reply.body);
  const fields = Object.entries({
    ...(reply.headers as Record<string, string>),
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  });
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `HTTP/1.1 ${reply.status} Service Unavailable\r\n${lines}\r\n${body}`;
}
