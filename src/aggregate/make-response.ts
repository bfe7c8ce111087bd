import { GatewayError } from '../core/errors.ts';
import type { Reply } from '../core/message.ts';
import type { JsonTemplate } from '../template/json-template.ts';
import { TemplateScope } from '../template/scope.ts';
import { UnfilledError } from '../template/template-error.ts';
import type { AggregateResult, MissingPart } from './aggregate-plan.ts';
import { asPartFailure, failureReply } from './part-failure.ts';

/** Makes the response's JSON out of the parts. Throws `UnfilledError`. */
export type ResponseWriter = (result: AggregateResult) => string;

/** Writes what the template of `response` says. */
export function fromTemplate(template: JsonTemplate): ResponseWriter {
  return ({ exchange, values, requestBody }) =>
    template(new TemplateScope(exchange, values, { body: requestBody })) ?? 'null';
}

/** Writes the parts by their names. One that was skipped or gave nothing is left out. */
export function fromParts(names: readonly string[]): ResponseWriter {
  const keys = names.map((name) => ({ name, key: JSON.stringify(name) }));
  return ({ values }) => {
    const members = keys.flatMap(({ name, key }) => {
      const { status, body } = values.get(name) ?? {};
      if (body !== undefined) return [`${key}:${body.json}`];
      return status === undefined ? [] : [`${key}:null`];
    });
    return `{${members.join(',')}}`;
  };
}

/** Writes the response, or says which part does not fit. */
export function writeResponse(write: ResponseWriter, result: AggregateResult): string | GatewayError {
  try {
    return write(result);
  } catch (error) {
    if (error instanceof UnfilledError) return failureReply(error.part ?? 'response', asPartFailure(error));
    throw error;
  }
}

/** Makes the reply. One that lacks parts says which, and is stored by nobody. */
export function replyWith(json: string | GatewayError, { missing }: AggregateResult): Reply | GatewayError {
  if (json instanceof GatewayError) return json;
  const headers = { 'content-type': 'application/json' };
  if (missing.length === 0) return { status: 200, headers, body: json };
  const names = missing.map(({ part }) => part).join(', ');
  return {
    status: 200,
    headers: { ...headers, 'x-partial': names, 'cache-control': 'no-store' },
    body: json.startsWith('{') ? withMember(json, missing) : json,
  };
}

function withMember(json: string, missing: readonly MissingPart[]): string {
  const start = json.slice(0, -1).trimEnd();
  return `${start}${start === '{' ? '' : ','}"_partial":${JSON.stringify(missing)}}`;
}
