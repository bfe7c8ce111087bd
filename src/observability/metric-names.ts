const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^(?!__)(?!le$|quantile$)[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Remembers which names are taken, by what type of metric and with which labels. */
export class MetricNames {
  private readonly taken = new Map<string, string>();

  /**
   * Takes `name`, or checks that it is used as before. Throws `TypeError` for a name that Prometheus does not allow
   * and for one that already means something else.
   */
  take(name: string, type: 'counter' | 'gauge' | 'built-in', labelNames: readonly string[]): void {
    const use = `${type} with ${labelNames.length === 0 ? 'no labels' : `labels ${[...labelNames].sort().join(', ')}`}`;
    const before = this.taken.get(name);
    if (before === use) return;
    if (before !== undefined)
      throw new TypeError(`metric '${name}' is already a ${before}, so it cannot be a ${use}`);
    if (!METRIC_NAME.test(name))
      throw new TypeError(`'${name}' is not a metric name: write it like 'acme_hits_total'`);
    const bad = labelNames.find((label) => !LABEL_NAME.test(label));
    if (bad !== undefined) throw new TypeError(`'${bad}' is not a label name that metric '${name}' can have`);
    this.taken.set(name, use);
  }
}
