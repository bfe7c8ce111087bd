import { type BodySource, bodyFrom, readBody } from '../../core/body.ts';
import { asGatewayError, GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { Reply, ResponseHead } from '../../core/message.ts';
import { guardBody } from '../../core/pipeline/guard-body.ts';
import { toResponse } from '../../core/reply.ts';
import type { JsonValue } from '../../template/json-value.ts';
import { readJson } from '../../template/read-json.ts';
import { TemplateScope } from '../../template/scope.ts';
import { failureOf } from './change-head.ts';
import { askForWhole, dropContent, dropValidators } from './dropped-fields.ts';
import { findUnsupported } from './find-unsupported.ts';
import { limitCaching } from './limit-caching.ts';
import type { MessageChange, ResponseChange, TransformSettings } from './message-change.ts';

/** The body of a response as it came, and what it says. */
interface Content {
  readonly bytes: Buffer | undefined;
  readonly json: JsonValue | undefined;
}

const NONE: Content = { bytes: undefined, json: undefined };

/**
 * Runs the rest of the exchange, and gives its response as changed.
 *
 * 1. Asks for a whole response in plain bytes.
 * 2. Reads its body, where there is one.
 * 3. Changes it, if the condition holds.
 */
export async function transformReply(
  exchange: Exchange,
  response: ResponseChange,
  requestBody: JsonValue | undefined,
  settings: TransformSettings,
): Promise<Reply | GatewayError> {
  // 1.
  const asked = askForWhole(exchange.headers);
  const reply = await exchange.proceed({ passInterim: true, ...(asked && { headers: asked }) });
  // What the gateway itself answers stays as it is.
  if (exchange.failure !== undefined || reply.status === 304) return reply;
  const { head, body } = toResponse(reply);
  const isHead = exchange.request.method === 'HEAD';
  const { change } = response;
  // 2.
  const unsupported =
    hasContent(head, isHead) && change.readsBody ? findUnsupported(head.headers) : undefined;
  if (unsupported !== undefined) {
    if (settings.passesUnsupported) return { status: head.status, headers: head.headers, body };
    body.cancel();
    return refuse(unsupported);
  }
  const content = isHead || !change.readsBody ? NONE : await readContent(exchange, body, settings);
  if (content instanceof GatewayError) return content;
  // 3.
  const { status, headers } = head;
  const scope = new TemplateScope(exchange, undefined, {
    body: requestBody,
    response: { status, headers: headers.clone(), body: content.json },
  });
  const untouched = { status, headers, body: content.bytes ?? body };
  if (change.when?.(scope) === false) return isHead ? asHead(untouched, change) : untouched;
  try {
    return changeReply(exchange, response, { head, body: untouched.body, scope }, settings);
  } catch (error) {
    return failureOf(error);
  }
}

interface Changing {
  readonly head: ResponseHead;
  readonly body: BodySource | Uint8Array;
  readonly scope: TemplateScope;
}

function changeReply(
  exchange: Exchange,
  { change, status: given }: ResponseChange,
  { head, body, scope }: Changing,
  { holdBytes }: TransformSettings,
): Reply | GatewayError {
  const { headers } = head;
  const status = given ?? head.status;
  const isHead = exchange.request.method === 'HEAD';
  if (status === 204) {
    change.changeHeaders(headers, scope);
    dropContent(headers);
    limitCaching(headers, change);
    if (!(body instanceof Uint8Array)) body.cancel();
    return { status, headers };
  }
  const json = isHead ? undefined : change.body && (change.body(scope) ?? 'null');
  if (change.body !== undefined) {
    dropValidators(headers);
    if (!headers.has('content-type')) headers.append('content-type', 'application/json');
  }
  change.changeHeaders(headers, scope);
  limitCaching(headers, change);
  if (json === undefined) {
    const reply = { status, headers, body };
    return isHead ? asHead(reply, change) : reply;
  }
  const bytes = Buffer.from(json);
  return holdBytes?.(exchange, bytes.length) ?? { status, headers, body: bodyFrom(bytes) };
}

/** How long the body would be for GET, nobody knows: it is made of one that is not there. */
function asHead(
  {
    status,
    headers,
    body,
  }: { readonly status: number } & Pick<ResponseHead, 'headers'> & {
      readonly body: BodySource | Uint8Array;
    },
  change: MessageChange,
): Reply {
  if (change.body === undefined) return { status, headers, body };
  dropValidators(headers);
  if (!(body instanceof Uint8Array)) body.cancel();
  return {
    status,
    headers,
    body: { length: undefined, pipe: (sink) => sink.end(), resume() {}, cancel() {} },
  };
}

/** Without a type, the response to HEAD tells nothing of what GET would give. */
function hasContent({ status, headers, length }: ResponseHead, isHead: boolean): boolean {
  if (status === 204 || length === 0) return false;
  return !isHead || headers.has('content-type');
}

async function readContent(
  exchange: Exchange,
  body: BodySource,
  { maxBody, maxDepth, holdBytes }: TransformSettings,
): Promise<Content | GatewayError> {
  if (body.length === 0) return NONE;
  try {
    const counted = guardBody(body, (bytes) => holdBytes?.(exchange, bytes));
    const bytes = await readBody(counted, maxBody);
    if (bytes.length === 0) return NONE;
    const json = readJson(bytes, maxDepth);
    return typeof json === 'string' ? refuse(FAULTS[json]) : { bytes, json };
  } catch (error) {
    const known = asGatewayError(error);
    if (known?.code === 'GW_BODY_TOO_LARGE') return refuse(`it is larger than ${maxBody} bytes`);
    return known ?? new GatewayError('GW_UPSTREAM_BROKEN', { cause: error });
  }
}

const FAULTS = {
  'not-utf8': 'it is not UTF-8',
  'not-json': 'it is not JSON, though its type says so',
  'too-deep': 'it is nested too deep',
} as const;

function refuse(why: string): GatewayError {
  return new GatewayError('GW_TRANSFORM_FAILED', {
    cause: new Error(`the body of the response cannot be transformed: ${why}`),
  });
}
