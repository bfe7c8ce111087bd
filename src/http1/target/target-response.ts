import { GatewayError } from '../../core/errors.ts';
import { FieldKind } from '../../core/field-kind.ts';
import type { ResponseHead } from '../../core/message.ts';
import type { TargetResponseHead } from './response-head.ts';

/** Makes the head that goes on: a length only where it is known, for HEAD and 304 only where it was stated. */
export function toResponseHead(head: TargetResponseHead, method: string): ResponseHead {
  const { status, reason, headers, framing } = head;
  if (framing === 'chunked' || framing === 'until-close')
    return { status, reason, headers, length: undefined };
  const isSilent = method === 'HEAD' || status === 304;
  const length = isSilent && headers.getKind(FieldKind.contentLength) === undefined ? undefined : head.length;
  return { status, reason, headers, length };
}

/** When a connection may carry the next request, once a response is whole. */
export type Reuse = 'at-once' | 'after-a-turn' | 'after-silence' | 'never';

/**
 * Says when a connection may be used again behind a response with this head. Where none but the head may come, some
 * servers send a body nevertheless, which would be taken for the next response. So: never, where a body is stated that
 * cannot be (204, and 304 in chunks); after some silence, where the head speaks of one that only GET has; and else behind
 * all that has arrived by the event loop's next turn.
 */
export function reuseAfter(
  { status, framing, isPersistent, statesBody }: TargetResponseHead,
  method: string,
): Reuse {
  if (!isPersistent) return 'never';
  const isBodiless = method === 'HEAD' || status === 204 || status === 304;
  if (framing !== 'none' || !isBodiless) return 'at-once';
  if (method === 'HEAD') return 'after-silence';
  if (!statesBody) return 'after-a-turn';
  return status === 304 ? 'after-silence' : 'never';
}

/** A connection is dropped a second before the target would (or after half of a short hint), so that they do not cross. */
export function keepAliveLimit(seconds: number): number {
  const ms = Math.min(seconds, 3600) * 1000;
  return ms > 2000 ? ms - 1000 : ms / 2;
}

/** Whether a response is a stream of events, which ends when somebody leaves (WHATWG HTML §9.2). */
export function isEventStream({ framing, headers }: TargetResponseHead): boolean {
  if (framing !== 'chunked' && framing !== 'until-close') return false;
  return /^text\/event-stream\b/i.test(headers.get('content-type') ?? '');
}

/** Makes the failure for a response that is not valid HTTP, or not whole. */
export function brokenResponse(cause: unknown): GatewayError {
  return new GatewayError('GW_UPSTREAM_BROKEN', { cause });
}
