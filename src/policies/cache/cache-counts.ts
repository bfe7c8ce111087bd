import type { Counter, Metrics } from '../../core/services.ts';

const VERDICTS = ['hit', 'miss', 'stale', 'revalidated', 'bypass'] as const;

/** How often each verdict was given on a route. */
export type CacheCounts = Readonly<Record<(typeof VERDICTS)[number], Counter>>;

/** Gives the counters of a route, made when it is first asked for. */
export function createCacheCounts(metrics: Pick<Metrics, 'counter'>): (route: string) => CacheCounts {
  const byRoute = new Map<string, CacheCounts>();
  return (route) => {
    let counts = byRoute.get(route);
    if (counts === undefined) {
      const entries = VERDICTS.map((verdict) => [
        verdict,
        metrics.counter('gateway_cache_requests_total', 'Requests by what the cache did with them.', {
          route,
          verdict,
        }),
      ]);
      counts = Object.fromEntries(entries) as CacheCounts;
      byRoute.set(route, counts);
    }
    return counts;
  };
}
