import type { Counter, Metrics } from '../core/services.ts';

/** What came of a part: `cached` where a stored response was used, `shared` where another one had asked the same. */
export const OUTCOMES = ['ok', 'cached', 'shared', 'skipped', 'failed', 'timeout'] as const;

export type PartOutcome = (typeof OUTCOMES)[number];

/** How often each came of a part. */
export type PartCounts = Readonly<Record<PartOutcome, Counter>>;

/** Makes the counters of a part. */
export function createPartCounts(metrics: Pick<Metrics, 'counter'>, route: string, part: string): PartCounts {
  const help = 'Requests for parts of responses, by what came of them.';
  const counters = OUTCOMES.map((outcome) => [
    outcome,
    metrics.counter('gateway_aggregate_parts_total', help, { route, part, outcome }),
  ]);
  return Object.fromEntries(counters) as PartCounts;
}
