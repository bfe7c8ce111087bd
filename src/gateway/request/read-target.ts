import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { Reply } from '../../core/message.ts';
import { normaliseTarget } from '../../router/normalise.ts';
import { redirectToHttps } from '../../server/https-redirect.ts';
import type { ListenerRules } from './request-context.ts';

/** Finds the one spelling of the path. Returns the response to a request that goes no further. */
export function readTarget(exchange: Exchange, rules: ListenerRules): Reply | GatewayError | undefined {
  const { request } = exchange;
  const target = normaliseTarget(request.target, request.method, rules.spelling);
  if (!target.ok) return new GatewayError('GW_BAD_PATH', { detail: target.reason });
  exchange.path = target.path;
  exchange.query = target.query;
  return rules.redirectToHttps === undefined ? undefined : redirectToHttps(exchange, rules.redirectToHttps);
}
