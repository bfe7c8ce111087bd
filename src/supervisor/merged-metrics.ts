import {
  type MetricFamilies,
  type MetricFamily,
  mergeMetrics,
  readMetrics,
  writeMetrics,
} from './metrics-text.ts';

type Combine = (a: number, b: number) => number;

/** Gauges that say something else than how many there are: the others are added. */
const GAUGES: Readonly<Record<string, Combine>> = {
  gateway_build_info: Math.max,
  gateway_config_version: Math.max,
  gateway_event_loop_delay_seconds: Math.max,
  gateway_upstream_breaker_state: Math.max,
  gateway_redis_gateways: Math.max,
  // Each counts those of all.
  gateway_async_jobs: Math.max,
  process_start_time_seconds: Math.min,
  process_max_fds: Math.min,
  // What is wrong in one worker is wrong.
  gateway_upstream_target_healthy: Math.min,
  gateway_discovery_up: Math.min,
  gateway_redis_available: Math.min,
  gateway_cache_redis_available: Math.min,
  gateway_api_key_store_up: Math.min,
  gateway_quota_store_up: Math.min,
};

/**
 * Adds up the metrics of several processes. Counters of processes that ended stay counted: a sum that falls would read
 * as a restart, and all that the others ever counted as new.
 */
export class MergedMetrics {
  private readonly ended: MetricFamilies = new Map();
  /** One thing after the other, so that what a process counted is never in a sum twice, or not at all. */
  private turn: Promise<unknown> = Promise.resolve();

  /** Keeps what a process that has ended had counted. */
  keep(text: string): void {
    void this.runInOrder(async () => mergeMetrics(this.ended, countersOf(await readMetrics(text)), combine));
  }

  /** Forgets what ended processes counted of routes that are no more. */
  forgetRoutesBut(routes: ReadonlySet<string>): void {
    void this.runInOrder(async () =>
      this.forget((series) => {
        const route = labelOf(series, 'route');
        return route !== undefined && !routes.has(route);
      }),
    );
  }

  /**
   * Renders the sum of what ended processes had counted and of the texts of those that run, which are read when all that
   * had ended by then is kept.
   */
  render(readTexts: () => readonly string[]): Promise<string> {
    return this.runInOrder(async () => {
      const sum: MetricFamilies = new Map();
      for (const text of readTexts()) await mergeMetrics(sum, await readMetrics(text), combine);
      this.forgetTargetsBut(sum);
      await mergeMetrics(sum, this.ended, combine);
      return writeMetrics(sum);
    });
  }

  private runInOrder<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.turn.then(task);
    this.turn = result.catch(() => {});
    return result;
  }

  /** The series of a target end when it leaves: each one that is there has its health told. */
  private forgetTargetsBut(running: MetricFamilies): void {
    const health = running.get('gateway_upstream_target_healthy')?.series.keys() ?? [];
    const targets = new Set([...health].map(targetOf));
    this.forget((series) => {
      const target = targetOf(series);
      return target !== undefined && !targets.has(target);
    });
  }

  private forget(isGone: (series: string) => boolean): void {
    for (const { series } of this.ended.values())
      for (const name of series.keys()) if (isGone(name)) series.delete(name);
  }
}

function combine({ name, type }: MetricFamily, a: number, b: number): number {
  const rule = type === 'gauge' ? GAUGES[name] : undefined;
  return rule === undefined ? a + b : rule(a, b);
}

function countersOf(families: MetricFamilies): MetricFamilies {
  return new Map([...families].filter(([, { type }]) => type === 'counter' || type === 'histogram'));
}

function labelOf(series: string, label: string): string | undefined {
  return new RegExp(`[{,]${label}="((?:[^"\\\\]|\\\\.)*)"`).exec(series)?.[1];
}

function targetOf(series: string): string | undefined {
  const target = labelOf(series, 'target');
  const upstream = labelOf(series, 'upstream');
  return target === undefined || upstream === undefined ? undefined : `${upstream} ${target}`;
}
