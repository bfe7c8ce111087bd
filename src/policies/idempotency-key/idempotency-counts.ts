import type { Counter, Metrics } from '../../core/services.ts';

const VERDICTS = ['first', 'replayed', 'in-progress', 'reused', 'not-stored', 'unavailable'] as const;

/** How often each verdict was given on a route. */
export type IdempotencyCounts = Readonly<Record<(typeof VERDICTS)[number], Counter>>;

/** Gives the counters of a route, made when it is first asked for. */
export function createIdempotencyCounts(
  metrics: Pick<Metrics, 'counter'>,
): (route: string) => IdempotencyCounts {
  const byRoute = new Map<string, IdempotencyCounts>();
  const help = 'Requests with an idempotency key, by what was done with them.';
  return (route) => {
    let counts = byRoute.get(route);
    if (counts === undefined) {
      const entries = VERDICTS.map((verdict) => [
        verdict,
        metrics.counter('gateway_idempotency_requests_total', help, { route, verdict }),
      ]);
      counts = Object.fromEntries(entries) as IdempotencyCounts;
      byRoute.set(route, counts);
    }
    return counts;
  };
}
