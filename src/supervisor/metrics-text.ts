import { setImmediate } from 'node:timers/promises';

/** Lines that are read or merged before other work gets its turn. */
const SLICE = 5000;

/** A metric as the Prometheus text format has it: its comments, and a value for each series. */
export interface MetricFamily {
  readonly name: string;
  type: string;
  /** The lines above the series. */
  comments: string;
  /** From the series with its labels, as written, to the value. */
  readonly series: Map<string, number>;
}

/** Metrics by name, in the order in which they came. */
export type MetricFamilies = Map<string, MetricFamily>;

/** Reads metrics in the Prometheus text format, in slices, since thousands of routes make a very long one. */
export async function readMetrics(text: string): Promise<MetricFamilies> {
  const families: MetricFamilies = new Map();
  let family: MetricFamily | undefined;
  let inSlice = 0;
  for (let from = 0; from < text.length; ) {
    const lineFeed = text.indexOf('\n', from);
    const end = lineFeed < 0 ? text.length : lineFeed;
    const line = text.slice(from, end);
    from = end + 1;
    if (line.startsWith('#')) family = readComment(line, families) ?? family;
    else if (line !== '') readSeries(line, family);
    if (++inSlice % SLICE === 0) await setImmediate();
  }
  return families;
}

/** Writes metrics in the Prometheus text format, in slices. */
export async function writeMetrics(families: MetricFamilies): Promise<string> {
  const parts: string[] = [];
  let inSlice = 0;
  for (const { comments, series } of families.values()) {
    parts.push(comments);
    for (const [name, value] of series) {
      parts.push(`${name} ${formatValue(value)}\n`);
      if (++inSlice % SLICE === 0) await setImmediate();
    }
  }
  return parts.join('');
}

/** Merges `from` into `into`, where `combine` says what becomes of two values of one series. */
export async function mergeMetrics(
  into: MetricFamilies,
  from: MetricFamilies,
  combine: (family: MetricFamily, a: number, b: number) => number,
): Promise<void> {
  let inSlice = 0;
  for (const family of from.values()) {
    const known = into.get(family.name) ?? { ...family, series: new Map<string, number>() };
    into.set(family.name, known);
    for (const [name, value] of family.series) {
      const other = known.series.get(name);
      known.series.set(name, other === undefined ? value : combine(family, other, value));
      if (++inSlice % SLICE === 0) await setImmediate();
    }
  }
}

function readComment(line: string, families: MetricFamilies): MetricFamily | undefined {
  const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
  if (kind === undefined) return undefined;
  const family = families.get(name) ?? { name, type: 'untyped', comments: '', series: new Map() };
  families.set(name, family);
  family.comments += `${line}\n`;
  if (kind === 'TYPE') family.type = rest;
  return family;
}

function readSeries(line: string, family: MetricFamily | undefined): void {
  const space = line.lastIndexOf(' ');
  family?.series.set(line.slice(0, space), parseValue(line.slice(space + 1)));
}

function parseValue(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);
}

function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
