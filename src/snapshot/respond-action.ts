import { respondBatch } from '../batch/batch.ts';
import type { ItemRunner } from '../batch/batch-plan.ts';
import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { Reply } from '../core/message.ts';
import type { ForwardAction, RouteAction } from './route.ts';

/** Gives the response of a route that does not pass requests on to one upstream. */
export function respondAction(
  action: Exclude<RouteAction, ForwardAction>,
  exchange: Exchange,
  rawParams: readonly string[],
  items: ItemRunner | undefined,
): Reply | GatewayError | Promise<Reply | GatewayError> {
  switch (action.kind) {
    case 'aggregate':
      return action.aggregate.respond(exchange);
    case 'batch':
      return respondBatch(action.batch, exchange, items);
    case 'respond':
      return action.reply;
    case 'jwks':
      return action.tokens.keySet();
    case 'quota':
      return action.quotas.respond(exchange);
    case 'redirect': {
      const location = action.locate(exchange, rawParams);
      if (location === undefined) return new GatewayError('GW_BAD_PATH');
      return { status: action.status, headers: { location } };
    }
  }
}
