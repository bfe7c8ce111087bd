import { bodyFrom } from '../../core/body.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { ResponseHead } from '../../core/message.ts';
import type { PolicyInstance, RequestOutcome, ResponseOutcome } from '../../core/policy.ts';
import type { JsonValue } from '../../template/json-value.ts';
import { readJson } from '../../template/read-json.ts';
import { TemplateScope } from '../../template/scope.ts';
import { UnfilledError } from '../../template/template-error.ts';
import { changeHead } from './change-head.ts';
import { dropDigests } from './dropped-fields.ts';
import { findUnsupported } from './find-unsupported.ts';
import type { MessageChange, ResponseChange, TransformSettings } from './message-change.ts';
import { transformReply } from './transform-reply.ts';

/** What is done for one request. */
interface Work {
  readonly request: MessageChange | undefined;
  readonly response: ResponseChange | undefined;
}

/**
 * One use of the policy. Where only headers or the status change, bodies stream past it; where the body of a response
 * is needed, the rest of the exchange is run here, so that a body that does not fit is answered before a head was sent.
 */
export class TransformInstance implements PolicyInstance {
  readonly onResponse?: (exchange: Exchange, head: ResponseHead) => ResponseOutcome;
  private readonly settings: TransformSettings;

  constructor(settings: TransformSettings) {
    const { response } = settings;
    this.settings = settings;
    if (response !== undefined && !needsBodies(response))
      this.onResponse = (exchange, head) => changeHead(response, exchange, head);
  }

  onRequest(exchange: Exchange): RequestOutcome | Promise<RequestOutcome> {
    const { request, response, passesUnsupported } = this.settings;
    const scope = new TemplateScope(exchange);
    const work: Work = {
      request: request !== undefined && isDue(request, scope) ? request : undefined,
      response:
        response !== undefined && needsBodies(response) && isDue(response.change, scope)
          ? response
          : undefined,
    };
    if (work.response !== undefined && exchange.request.upgrade !== undefined)
      return passesUnsupported ? undefined : new GatewayError('GW_UPGRADE_UNSUPPORTED');
    if (!readsRequestBody(work) || exchange.body.length === 0) return this.run(exchange, work, undefined);
    const unsupported = findUnsupported(exchange.headers);
    if (unsupported !== undefined) {
      if (!passesUnsupported) return refuseType(unsupported);
      return this.run(exchange, withoutRequestBody(work), undefined);
    }
    const reading = this.settings.bufferBody?.(exchange, this.settings.maxBody);
    if (reading === undefined) return this.runWithBody(exchange, work);
    return reading.then((failure) => failure ?? this.runWithBody(exchange, work));
  }

  private runWithBody(exchange: Exchange, work: Work): RequestOutcome | Promise<RequestOutcome> {
    const { maxBody, maxDepth } = this.settings;
    const { bodyBytes } = exchange;
    if (bodyBytes === undefined || bodyBytes.length === 0) return this.run(exchange, work, undefined);
    // Read by a policy that takes more.
    if (bodyBytes.length > maxBody) return new GatewayError('GW_BODY_TOO_LARGE');
    const body = readJson(bodyBytes, maxDepth);
    if (typeof body !== 'string') return this.run(exchange, work, body);
    const detail = body === 'too-deep' ? `It is nested more than ${maxDepth} deep` : undefined;
    return new GatewayError('GW_BODY_NOT_JSON', { reason: body, ...(detail && { detail }) });
  }

  private run(
    exchange: Exchange,
    { request, response }: Work,
    body: JsonValue | undefined,
  ): RequestOutcome | Promise<RequestOutcome> {
    const failure = request && this.changeRequest(exchange, request, body);
    if (failure !== undefined || response === undefined) return failure;
    return transformReply(exchange, response, body, this.settings);
  }

  private changeRequest(
    exchange: Exchange,
    change: MessageChange,
    body: JsonValue | undefined,
  ): GatewayError | undefined {
    const scope = new TemplateScope(exchange, undefined, { body });
    if (!change.isJudgedEarly && change.when?.(scope) === false) return undefined;
    try {
      // What has no body stays without one.
      const json = body === undefined ? undefined : change.body && (change.body(scope) ?? 'null');
      change.changeHeaders(exchange.headers, scope);
      return json === undefined ? undefined : this.replaceBody(exchange, json);
    } catch (error) {
      if (!(error instanceof UnfilledError)) throw error;
      return new GatewayError('GW_INPUT_MISSING', {
        detail: `This request cannot be passed on: ${error.message}`,
      });
    }
  }

  private replaceBody(exchange: Exchange, json: string): GatewayError | undefined {
    const bytes = Buffer.from(json);
    const more = bytes.length - (exchange.bodyBytes?.length ?? 0);
    const failure = more > 0 ? this.settings.holdBytes?.(exchange, more) : undefined;
    if (failure !== undefined) return failure;
    exchange.bodyBytes = bytes;
    exchange.body = bodyFrom(bytes);
    dropDigests(exchange.headers);
    return undefined;
  }
}

function needsBodies({ change }: ResponseChange): boolean {
  return change.readsBody || change.readsRequestBody;
}

/** Asks whether the condition may hold: one that needs more than there is yet is asked later. */
function isDue({ when, isJudgedEarly }: MessageChange, scope: TemplateScope): boolean {
  return !isJudgedEarly || when?.(scope) !== false;
}

function readsRequestBody({ request, response }: Work): boolean {
  return request?.readsBody === true || response?.change.readsRequestBody === true;
}

/** Leaves out what cannot be done without the body of the request. */
function withoutRequestBody({ request, response }: Work): Work {
  return {
    request: request?.readsBody === true ? undefined : request,
    response: response?.change.readsRequestBody === true ? undefined : response,
  };
}

/** RFC 9110 §15.5.16: what would be taken is said in `Accept` and `Accept-Encoding`. */
function refuseType(why: string): GatewayError {
  return new GatewayError('GW_MEDIA_TYPE_UNSUPPORTED', {
    headers: { accept: 'application/json', 'accept-encoding': 'identity' },
    detail: `This route reads the body as JSON, and ${why}`,
  });
}
