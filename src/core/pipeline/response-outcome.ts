import type { BodySource } from '../body.ts';
import { GatewayError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { asHeaderList } from '../header-list.ts';
import { isPromise } from '../is-promise.ts';
import type { Reply, ResponseHead } from '../message.ts';
import { problemReply } from '../problem.ts';
import { type GatewayResponse, toResponse } from '../reply.ts';
import { takeBody, UnownedBody } from './foreign-body.ts';
import type { PolicyStep } from './policy-step.ts';
import { type BodyMap, failureOf, type Outcome, readOutcome } from './read-outcome.ts';

/** Holds a response body that flows only when somebody asks for it. */
export interface BodyHolder {
  /** Returns the body as a source. Called at most once. */
  openBody(): BodySource;
}

/** Runs `onResponse` of a policy, and gives what it decided, or its failure. */
export function attemptResponse(
  step: PolicyStep,
  exchange: Exchange,
  head: ResponseHead,
): Outcome | Promise<unknown> {
  try {
    return readOutcome(step.instance.onResponse?.(exchange, head));
  } catch (error) {
    return failureOf(error);
  }
}

/** Does what `onResponse` decided, to the head in place and to the body, and returns the body as changed so far. */
export function applyOutcome(
  step: PolicyStep,
  exchange: Exchange,
  head: ResponseHead,
  holder: BodyHolder,
  body: BodySource | undefined,
  outcome: Outcome,
): BodySource | undefined {
  let source = body;
  let decision: Reply | GatewayError | undefined;
  const fault = step.isForeign ? takeHead(exchange, head) : undefined;
  if (fault !== undefined) decision = failureOf(fault);
  else if (outcome === undefined || !('mapBody' in outcome)) decision = outcome;
  else {
    if (step.isObserved) return body;
    if (isBodiless(exchange, head)) {
      head.length = undefined;
      return body;
    }
    source ??= holder.openBody();
    const mapped = mapBody(step, outcome, source);
    if (!(mapped instanceof GatewayError)) {
      head.length = mapped.length;
      return mapped;
    }
    decision = mapped;
  }
  if (decision === undefined) return body;
  const reply = step.judge(exchange, decision) ?? (fault && failureOf(fault));
  if (reply === undefined) return body;
  // A head that cannot be sent is not sent, though the policy only observe.
  if (fault !== undefined) exchange.failure = reply as GatewayError;
  (source ?? holder.openBody()).cancel();
  const response = responseOf(exchange, reply);
  Object.assign(head, response.head);
  return response.body;
}

function mapBody({ isForeign }: PolicyStep, outcome: BodyMap, source: BodySource): BodySource | GatewayError {
  try {
    if (!isForeign) return outcome.mapBody(source) as BodySource;
    const lent = new UnownedBody(source);
    const mapped = outcome.mapBody(lent);
    // A promise that nobody awaits must not end the process.
    if (isPromise(mapped)) Promise.resolve(mapped).catch(() => {});
    return mapped === lent ? source : takeBody(mapped, lent);
  } catch (error) {
    return failureOf(error);
  }
}

/** Says what a policy has made of a head that HTTP does not allow. Its fields take nothing that it does not. */
function takeHead({ request }: Exchange, head: ResponseHead): TypeError | undefined {
  const { status, reason, length } = head;
  const isUpgrade = status === 101 && request.upgrade !== undefined;
  if (!isUpgrade && !(Number.isInteger(status) && status >= 200 && status <= 599))
    return new TypeError(`a policy set a status that is invalid: ${String(status)}`);
  if (typeof reason !== 'string' || /[^\t\x20-\x7e\x80-\xff]/.test(reason))
    return new TypeError('a policy set a reason phrase that is invalid');
  const headers = asHeaderList(head.headers);
  if (headers === undefined) return new TypeError('a policy put something else in place of headers');
  head.headers = headers;
  if (length !== undefined && !(Number.isSafeInteger(length) && length >= 0))
    return new TypeError('a policy set a length that is invalid');
  return undefined;
}

/** Makes the response, or that to the failure where the reply cannot be sent (a header that HTTP does not allow). */
export function responseOf(exchange: Exchange, reply: Reply | GatewayError): GatewayResponse {
  try {
    return toResponse(reply instanceof GatewayError ? problemReply(reply, exchange.requestId) : reply);
  } catch (cause) {
    exchange.failure = new GatewayError('GW_POLICY_FAILED', { cause });
    return toResponse(problemReply(exchange.failure, String(exchange.requestId)));
  }
}

function isBodiless(exchange: Exchange, { status }: ResponseHead): boolean {
  return exchange.request.method === 'HEAD' || status === 204 || status === 304 || status < 200;
}
