import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { ResponseHead } from '../../core/message.ts';
import type { ResponseOutcome } from '../../core/policy.ts';
import { TemplateScope } from '../../template/scope.ts';
import { UnfilledError } from '../../template/template-error.ts';
import { dropContent } from './dropped-fields.ts';
import { limitCaching } from './limit-caching.ts';
import type { ResponseChange } from './message-change.ts';

/** Statuses that say what is in the response, or that there is none: another one would be untrue. */
const FIXED: ReadonlySet<number> = new Set([101, 206, 304]);

/** Changes the head of a response whose body streams past. */
export function changeHead(
  { change, status }: ResponseChange,
  exchange: Exchange,
  head: ResponseHead,
): ResponseOutcome {
  // What the gateway itself answers stays as it is; gRPC has its status in its trailers.
  if (exchange.failure !== undefined || isGrpc(head)) return undefined;
  const { headers } = head;
  const scope = new TemplateScope(exchange, undefined, { response: { status: head.status, headers } });
  if (change.when?.(scope) === false) return undefined;
  try {
    change.changeHeaders(headers, scope);
  } catch (error) {
    return failureOf(error);
  }
  limitCaching(headers, change);
  if (status === undefined || FIXED.has(head.status)) return undefined;
  if (status === 204) {
    dropContent(headers);
    return { status, headers };
  }
  // It had none, so it has none now.
  if (head.status === 204) head.length = 0;
  head.status = status;
  head.reason = '';
  return undefined;
}

/** Gives the answer to a response that a template does not fit. */
export function failureOf(error: unknown): GatewayError {
  if (!(error instanceof UnfilledError)) throw error;
  return new GatewayError('GW_TRANSFORM_FAILED', {
    cause: new Error(`the response cannot be transformed: ${error.message}`),
  });
}

function isGrpc({ headers }: ResponseHead): boolean {
  return /^application\/grpc/i.test(headers.get('content-type') ?? '');
}
