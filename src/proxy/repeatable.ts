import type { TargetRequest } from '../core/message.ts';

/** Methods whose effect is the same once or twice (RFC 9110 §9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'PUT',
  'DELETE',
  'QUERY',
  'PROPFIND',
]);

/** Tells whether doing what `method` asks twice is the same as doing it once. */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/** Tells whether a request of which something was sent may be sent again. */
export function isRepeatable({ method, body }: TargetRequest): boolean {
  return IDEMPOTENT.has(method) && (body.length === 0 || body.isReplayable === true);
}
