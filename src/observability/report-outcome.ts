import type { Exchange } from '../core/exchange.ts';
import type { AccessLog } from './access-log.ts';
import type { RouteRecorder } from './metrics.ts';

/** Tells log and metrics, where there are any, what became of an exchange. What ran without a client is in the log alone. */
export function reportOutcome(
  exchange: Exchange,
  finishedAt: number,
  accessLog: AccessLog | undefined,
  recorder: RouteRecorder | undefined,
): void {
  accessLog?.write(exchange, finishedAt);
  if (exchange.isDetached || recorder === undefined) return;
  recorder.record(exchange.request.method, exchange.status, (finishedAt - exchange.startedAt) / 1000);
  recorder.account(exchange);
}
