import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import { HeaderList } from '../core/header-list.ts';
import type { Reply } from '../core/message.ts';
import { bufferBodyOnDemand } from '../core/pipeline/buffer-request-body.ts';
import type { Counter } from '../core/services.ts';
import { readJson } from '../template/read-json.ts';
import { type BatchItem, readItem, readMap } from './batch-item.ts';
import type { Batch, BatchConfig, BatchPlace, ItemRunner } from './batch-plan.ts';
import { BatchRun } from './batch-run.ts';

/** How deep a batch may be nested, its bodies with it. */
const MAX_DEPTH = 64;

/** Compiles `batch` of a route. */
export function compileBatch(config: BatchConfig, place: BatchPlace): Batch {
  const help = 'Requests in batches, by what came of them.';
  const count = (outcome: string): Counter =>
    place.metrics.counter('gateway_batch_requests_total', help, { route: place.route, outcome });
  const counts = {
    done: count('done'),
    timeout: count('timeout'),
    'too-large': count('too-large'),
    failed: count('failed'),
  };
  return { ...place, config, counts };
}

/**
 * Responds to a batch.
 *
 * 1. Reads it whole. What is wrong in it rejects all of it, before anything was done.
 * 2. Runs its requests, some at once.
 * 3. Writes their responses in their order.
 */
export async function respondBatch(
  batch: Batch,
  exchange: Exchange,
  items: ItemRunner | undefined,
): Promise<Reply | GatewayError> {
  const { config, budget } = batch;
  // 1.
  const type = exchange.headers.get('content-type') ?? '';
  if (
    !/^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(type) ||
    exchange.headers.has('content-encoding')
  )
    return new GatewayError('GW_MEDIA_TYPE_UNSUPPORTED', {
      headers: { accept: 'application/json', 'accept-encoding': 'identity' },
      detail: 'A batch is JSON, not encoded',
    });
  const failure = await bufferBodyOnDemand(exchange, config.maxBody, budget);
  if (failure !== undefined) return failure;
  const bytes = exchange.bodyBytes ?? Buffer.alloc(0);
  if (bytes.length > config.maxBody) return new GatewayError('GW_BODY_TOO_LARGE');
  const requests = readBatch(bytes, config.max);
  if (requests instanceof GatewayError) return requests;
  if (items === undefined) throw new TypeError('there is nothing that runs the requests of a batch');
  // 2.
  const { responses, cookies } = await new BatchRun(batch, exchange, requests, items).start();
  // 3.
  const headers = HeaderList.from({ 'content-type': 'application/json', 'cache-control': 'no-store' });
  for (const cookie of cookies) headers.appendTrusted('set-cookie', cookie);
  return { status: 200, headers, body: `{"responses":[${responses.join(',')}]}` };
}

function readBatch(bytes: Buffer, max: number): BatchItem[] | GatewayError {
  const fail = (what: string): GatewayError =>
    new GatewayError('GW_BATCH_INVALID', { detail: `The batch: ${what}` });
  const json = readJson(bytes, MAX_DEPTH);
  if (typeof json === 'string') return new GatewayError('GW_BODY_NOT_JSON', { reason: json });
  try {
    const members = readMap(json, fail, 'it is not a map with requests');
    const requests = members.get('requests');
    if (requests?.kind !== 'list' || members.size !== 1) throw fail('it is not a map with requests alone');
    const { items } = requests;
    if (items.length === 0) throw fail('it has no requests');
    if (items.length > max) throw fail(`it has more than ${max} requests`);
    return items.map((item, i) => readItem(item, `requests[${i}]`));
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}
