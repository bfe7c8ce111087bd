import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import { bufferBodyOnDemand } from '../core/pipeline/buffer-request-body.ts';
import { isJsonType } from '../template/json-type.ts';
import type { JsonValue } from '../template/json-value.ts';
import { readJson } from '../template/read-json.ts';
import type { CallLimits } from './call-part.ts';

/** Reads the body of a request as JSON, for parts that refer to it; `undefined` where there is none. */
export async function readRequestJson(
  exchange: Exchange,
  { budget, maxDepth, maxRequestBytes }: CallLimits,
): Promise<JsonValue | GatewayError | undefined> {
  if (exchange.body.length === 0) return undefined;
  const { headers } = exchange;
  const coding = headers.get('content-encoding')?.trim().toLowerCase() ?? 'identity';
  if (coding !== 'identity' || !isJsonType(headers.get('content-type') ?? ''))
    return new GatewayError('GW_MEDIA_TYPE_UNSUPPORTED', {
      headers: { accept: 'application/json', 'accept-encoding': 'identity' },
      detail: 'This route reads the body as JSON, not encoded',
    });
  const failure = await bufferBodyOnDemand(exchange, maxRequestBytes, budget);
  if (failure !== undefined) return failure;
  const bytes = exchange.bodyBytes ?? Buffer.alloc(0);
  if (bytes.length > maxRequestBytes) return new GatewayError('GW_BODY_TOO_LARGE');
  if (bytes.length === 0) return undefined;
  const json = readJson(bytes, maxDepth);
  return typeof json === 'string' ? new GatewayError('GW_BODY_NOT_JSON', { reason: json }) : json;
}
