import type { Exchange } from '../../core/exchange.ts';
import type { Log } from '../../core/services.ts';

/** Tells of what no part has thought of. */
export function reportCrash(log: Log, { requestId, route }: Exchange, cause: unknown): void {
  try {
    log.error({ err: cause, requestId, route: route.id }, 'the gateway failed at a request');
  } catch {
    // A log that cannot be written must not cost the response.
  }
}
