import type { Exchange } from '../../core/exchange.ts';
import type { Log } from '../../core/services.ts';
import type { RouteRecorder } from '../../observability/metrics.ts';
import { reportOutcome } from '../../observability/report-outcome.ts';
import type { RequestContext } from './request-context.ts';

/** Tells of what no part has thought of. */
export function reportCrash(log: Log, { requestId, route }: Exchange, cause: unknown): void {
  try {
    log.error({ err: cause, requestId, route: route.id }, 'the gateway failed at a request');
  } catch {
    // A log that cannot be written must not cost the response.
  }
}

/** Reports what became of an exchange. What goes wrong in that must not keep the rest of its end from happening. */
export function reportEnd(
  { log, clock, accessLog }: RequestContext,
  exchange: Exchange,
  isLogged: boolean,
  recorder: RouteRecorder | undefined,
): void {
  try {
    reportOutcome(exchange, clock.monotonic(), isLogged ? accessLog : undefined, recorder);
  } catch (cause) {
    reportCrash(log, exchange, cause);
  }
}
