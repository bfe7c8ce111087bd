const VERDICTS = ['hit', 'miss', 'stale', 'revalidated', 'bypass'] as const;

/** How the cache does, summed over all workers. */
export interface CacheDescription {
  /** Memory that stored responses take and may take, in bytes. */
  readonly bytes: number;
  readonly maxBytes: number;
  readonly resources: number;
  readonly evictions: number;
  /** Requests by what the cache did with them. */
  readonly routes: readonly ({ readonly route: string } & Readonly<
    Record<(typeof VERDICTS)[number], number>
  >)[];
}

/** Reads how the cache does out of the metrics, which are summed over all workers already. */
export function describeCache(metrics: string): CacheDescription {
  const read = (name: string): number => seriesOf(metrics, name)[0]?.value ?? 0;
  const routes = new Map<string, Record<string, number>>();
  for (const { labels, value } of seriesOf(metrics, 'gateway_cache_requests_total')) {
    const { route = '', verdict = '' } = labels;
    const counts = routes.get(route) ?? {};
    routes.set(route, { ...counts, [verdict]: value });
  }
  return {
    bytes: read('gateway_cache_bytes'),
    maxBytes: read('gateway_cache_max_bytes'),
    resources: read('gateway_cache_resources'),
    evictions: read('gateway_cache_evictions_total'),
    routes: [...routes].map(([route, counts]) => ({
      route,
      ...(Object.fromEntries(VERDICTS.map((verdict) => [verdict, counts[verdict] ?? 0])) as Record<
        (typeof VERDICTS)[number],
        number
      >),
    })),
  };
}

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

function seriesOf(metrics: string, name: string): Series[] {
  const lines = new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm');
  return [...metrics.matchAll(lines)].map(([, labels = '', value]) => ({
    labels: Object.fromEntries(
      [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text = '']) => [
        label,
        text.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
      ]),
    ),
    value: Number(value),
  }));
}
