import type { BodySource } from '../body.ts';
import { asGatewayError, GatewayError } from '../errors.ts';
import { isPromise } from '../is-promise.ts';
import type { Reply } from '../message.ts';
import { isReply, ReadyReply } from '../reply.ts';

/** What a moment of a policy decided, in values of ours. */
export type Outcome = undefined | GatewayError | Reply | BodyMap;

/** A policy's wish to put something around the body. */
export interface BodyMap {
  mapBody(source: BodySource): unknown;
}

/**
 * Reads what a moment of a policy gave, the border at which that becomes ours: a getter, a proxy or a thenable may throw
 * or say something else each time, so that everything is looked at once, here. Whatever is not an outcome is a failure.
 * Never throws.
 */
export function readOutcome(given: unknown): Outcome | Promise<unknown> {
  if (given === undefined) return undefined;
  try {
    if (ReadyReply.isOne(given)) return given;
    const error = asGatewayError(given);
    if (error !== undefined) return error;
    if (isPromise(given)) return Promise.resolve(given);
    return readMap(given) ?? readReply(given) ?? notAnOutcome(given);
  } catch (cause) {
    return failureOf(cause);
  }
}

/** TaskQueue what a policy threw into a failure of the catalogue. */
export function failureOf(thrown: unknown): GatewayError {
  return asGatewayError(thrown) ?? new GatewayError('GW_POLICY_FAILED', { cause: thrown });
}

function readMap(given: unknown): BodyMap | undefined {
  const mapBody: unknown = (given as { mapBody?: unknown } | null)?.mapBody;
  if (typeof mapBody !== 'function') return undefined;
  return { mapBody: (source) => mapBody.call(given, source) };
}

function readReply(given: unknown): Reply | undefined {
  if (!isReply(given)) return undefined;
  const { status, headers, body } = given;
  const reply = { status, ...(headers !== undefined && { headers }), ...(body !== undefined && { body }) };
  return isReply(reply) ? reply : undefined;
}

function notAnOutcome(outcome: unknown): GatewayError {
  const what = outcome === null ? 'null' : typeof outcome;
  const message = `a policy returned ${what}, which is not a Reply — return { status, headers, body } or nothing`;
  const cause = outcome instanceof Error ? outcome : new TypeError(message);
  return new GatewayError('GW_POLICY_FAILED', { cause });
}
