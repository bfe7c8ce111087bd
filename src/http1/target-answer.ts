import { GatewayError } from '../core/errors.ts';
import { FieldKind } from '../core/field-kind.ts';
import type { ResponseHead } from '../core/message.ts';
import type { TargetResponseHead } from './head.ts';

/** Makes the head that goes on: a length only where it is known, for HEAD and 304 only where it was stated. */
export function toResponseHead(head: TargetResponseHead, method: string): ResponseHead {
  const { status, reason, headers, framing } = head;
  if (framing === 'chunked' || framing === 'until-close')
    return { status, reason, headers, length: undefined };
  const isSilent = method === 'HEAD' || status === 304;
  const length = isSilent && headers.getKind(FieldKind.contentLength) === undefined ? undefined : head.length;
  return { status, reason, headers, length };
}

/** A connection is dropped a second before the target would (or after half of a short hint), so that they do not cross. */
export function keepAliveLimit(seconds: number): number {
  const ms = Math.min(seconds, 3600) * 1000;
  return ms > 2000 ? ms - 1000 : ms / 2;
}

/** Makes the failure for an answer that is not valid HTTP, or not whole. */
export function brokenAnswer(cause: unknown): GatewayError {
  return new GatewayError('GW_UPSTREAM_BROKEN', { cause });
}
