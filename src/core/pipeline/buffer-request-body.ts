import { bodyFrom, readBody } from '../body.ts';
import type { BufferBudget } from '../buffer-budget.ts';
import { GatewayError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { guardBody } from './guard-body.ts';

const NO_BYTES = Buffer.alloc(0);

/**
 * Reads the whole request body into `exchange.bodyBytes`, and makes `exchange.body` give exactly these bytes.
 * Returns a promise of what went wrong, if anything, or nothing where there is no body to wait for.
 */
export function bufferRequestBody(
  exchange: Exchange,
  maxBytes: number,
  budget: BufferBudget,
): Promise<GatewayError | undefined> | undefined {
  if (exchange.body.length === 0) {
    exchange.bodyBytes = NO_BYTES;
    return undefined;
  }
  return readWhole(exchange, maxBytes, budget);
}

/** Reads the body for a policy in the midst of its own work, behind which nobody looks whether the exchange is over. */
export function bufferBodyOnDemand(
  exchange: Exchange,
  maxBytes: number,
  budget: BufferBudget,
): Promise<GatewayError | undefined> | undefined {
  if (exchange.bodyBytes !== undefined) return undefined;
  return bufferRequestBody(exchange, maxBytes, budget)?.then((failure) => {
    if (exchange.policiesRun < 0) releaseRequestBody(exchange, budget);
    return failure;
  });
}

/** Counts bytes that are held for an exchange until it ends, so that none are once it has. Says why they cannot be. */
export function holdBytes(exchange: Exchange, bytes: number, budget: BufferBudget): GatewayError | undefined {
  if (exchange.policiesRun < 0) return new GatewayError('GW_CLIENT_CLOSED');
  if (!budget.take(bytes)) return new GatewayError('GW_BUFFERS_FULL');
  exchange.bufferedBytes += bytes;
  return undefined;
}

/** Gives back what the exchange holds of the budget. */
export function releaseRequestBody(exchange: Exchange, budget: BufferBudget): void {
  budget.release(exchange.bufferedBytes);
  exchange.bufferedBytes = 0;
}

async function readWhole(
  exchange: Exchange,
  maxBytes: number,
  budget: BufferBudget,
): Promise<GatewayError | undefined> {
  const counted = guardBody(exchange.body, (bytes) => {
    if (!budget.take(bytes)) return new GatewayError('GW_BUFFERS_FULL');
    exchange.bufferedBytes += bytes;
    return undefined;
  });
  try {
    exchange.bodyBytes = await readBody(counted, maxBytes);
    exchange.body = bodyFrom(exchange.bodyBytes);
    return undefined;
  } catch (error) {
    releaseRequestBody(exchange, budget);
    return error instanceof GatewayError ? error : new GatewayError('GW_INTERNAL', { cause: error });
  }
}
