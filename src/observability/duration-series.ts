/** Upper bounds in seconds, as OpenTelemetry's semantic conventions advise for HTTP durations. */
export const DURATION_BUCKETS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

const BUCKETS = Float64Array.from(DURATION_BUCKETS);
const BEYOND = BUCKETS.length;
const SUM = BEYOND + 1;
const LE_LABELS: readonly string[] = [...DURATION_BUCKETS.map(String), '+Inf'];

/** One series of a histogram of durations: a count for each bucket, and their sum. */
export class DurationSeries {
  private readonly cells = new Float64Array(SUM + 1);
  private readonly family: string;
  private readonly labels: string;

  /** `labels` as `formatLabels` writes them. */
  constructor(family: string, labels: string) {
    this.family = family;
    this.labels = labels;
  }

  record(seconds: number): void {
    let bucket = 0;
    while (bucket < BEYOND && seconds > (BUCKETS[bucket] as number)) bucket++;
    const cells = this.cells;
    cells[bucket] = (cells[bucket] as number) + 1;
    cells[SUM] = (cells[SUM] as number) + seconds;
  }

  /** Renders the series in the Prometheus text format: buckets that add up, sum and count. */
  render(): string {
    const lines: string[] = [];
    const start = `${this.family}_bucket{${this.labels},le="`;
    let count = 0;
    for (let i = 0; i <= BEYOND; i++) {
      count += this.cells[i] as number;
      lines.push(start, LE_LABELS[i] as string, '"} ', String(count), '\n');
    }
    lines.push(`${this.family}_sum{${this.labels}} ${this.cells[SUM]}\n`);
    lines.push(`${this.family}_count{${this.labels}} ${count}\n`);
    // Joined, not added up: a string of so many parts would live on as as many objects until the scrape is over.
    return lines.join('');
  }
}
