import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { OngoingExchange, Reply, TargetRequest } from '../core/message.ts';
import { toResponse } from '../core/reply.ts';
import type { AskOptions, UpstreamRequest, UpstreamSender } from '../core/services.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { type ForwardHeaderOptions, writeForwardHeaders } from './forward-headers.ts';
import { writeIdentityHeaders } from './identity-headers.ts';
import { ReplySink } from './reply-sink.ts';

/** As a route's `timeout` where it is left out. */
const RESPONSE_TIMEOUT_MS = 30_000;

/** Whom to ask, and how. */
export interface CallContext {
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly headerOptions: ForwardHeaderOptions;
  readonly send: UpstreamSender['send'];
}

/** Asks an upstream on behalf of an exchange, and gives its response as a reply whose body streams. */
export async function callUpstream(
  context: CallContext,
  exchange: Exchange,
  request: UpstreamRequest,
  { once = false, detached = false, signal }: AskOptions = {},
): Promise<Reply> {
  const { upstream, clock, send } = context;
  signal?.throwIfAborted();
  if (!detached && exchange.signal.aborted) throw new GatewayError('GW_CLIENT_CLOSED');
  const branch = branchFor(exchange, request, context);
  const sent = toTargetRequest(branch, request, upstream);
  let ongoing: OngoingExchange | undefined;
  // Taken off by hand: a signal that does so costs more than all else here.
  const leaveFor = (): void => sink.leave(signal?.reason);
  const leave = (): void => sink.leave(new GatewayError('GW_CLIENT_CLOSED'));
  const sink = new ReplySink(clock, () => {
    signal?.removeEventListener('abort', leaveFor);
    if (!detached) exchange.signal.removeEventListener('abort', leave);
    ongoing?.cancel();
  });
  signal?.addEventListener('abort', leaveFor);
  if (!detached) exchange.signal.addEventListener('abort', leave);
  ongoing = send(branch, sent, sink, { once });
  if (ongoing === undefined) sink.leave(upstream.rejection());
  return sink.reply;
}

/** Makes the exchange that the request is of, with what every target is told. */
function branchFor(
  exchange: Exchange,
  request: UpstreamRequest,
  { clock, headerOptions }: CallContext,
): Exchange {
  const { headers = {}, body, identity = false } = request;
  const message = toResponse({ status: 200, headers, ...(body !== undefined && { body }) });
  const branch = exchange.branch(message.body, clock.monotonic(), message.head.headers);
  if (!identity) branch.identity = undefined;
  writeForwardHeaders(branch, headerOptions);
  writeIdentityHeaders(branch);
  return branch;
}

function toTargetRequest(
  { headers, body }: Exchange,
  { method = 'GET', path, host = '', timeoutMs }: UpstreamRequest,
  { responseTimeoutMs }: Upstream,
): TargetRequest {
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(method)) throw new TypeError(`'${method}' is not a method`);
  if (!/^\/[!-~]*$/.test(path)) throw new TypeError('the path is invalid — percent-encode it');
  if (!/^[!-~]*$/.test(host)) throw new TypeError('the host is invalid');
  return {
    method,
    path,
    host,
    headers,
    body,
    upgrade: undefined,
    acceptsTrailers: false,
    responseTimeoutMs: timeoutMs ?? Math.min(responseTimeoutMs, RESPONSE_TIMEOUT_MS),
  };
}
