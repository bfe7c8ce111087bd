import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import path from 'node:path';
import type { Row, Sample } from './measure.ts';
import type { Scenario } from './scenarios.ts';
import { median } from './statistics.ts';

/** Writes the result of a scenario as Markdown: medians of all rounds, and the median of each round's ratio to the baseline. */
export function reportScenario(scenario: Scenario, rows: readonly Row[], seconds: number): string {
  const header = [
    ['', 'CPU µs/request', `× ${scenario.baseline}`, 'requests/s', 'p50 ms', 'p99 ms', 'RSS MiB', 'failures'],
    ['---', '--:', '--:', '--:', '--:', '--:', '--:', '--:'],
  ];
  const table = [...header, ...rows.map((row) => cellsOf(row, baselineOf(scenario, row, rows)))];
  const remarks = [verdictOf(scenario, rows), ...growthOf(rows)].filter((line) => line !== undefined);
  return [
    `## ${scenario.title}`,
    '',
    ...table.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    ...remarks.flatMap((line) => [line, '']),
    `${rows[0]?.samples.length ?? 0} rounds of ${seconds} s each, interleaved. ${machineNote()}`,
    '',
  ].join('\n');
}

/** Who is compared with, for the same number of routes. */
function baselineOf({ baseline }: Scenario, row: Row, rows: readonly Row[]): Row | undefined {
  const variant = row.label.split(',').slice(1).join(',');
  return rows.find(({ label }) => label === (variant ? `${baseline},${variant}` : baseline));
}

function cellsOf(row: Row, baseline: Row | undefined): string[] {
  const middle = (pick: (sample: Sample) => number): number => median(row.samples.map(pick));
  const failures = row.samples.reduce((sum, sample) => sum + sample.failures, 0);
  const ratio = baseline && ratioOf(row, baseline);
  return [
    row.label,
    middle((sample) => sample.cpuMicrosecondsPerRequest).toFixed(1),
    ratio?.toFixed(2) ?? '',
    Math.round(middle((sample) => sample.requestsPerSecond)).toLocaleString('en'),
    middle((sample) => sample.p50Ms).toFixed(2),
    middle((sample) => sample.p99Ms).toFixed(2),
    middle((sample) => sample.residentMiB).toFixed(0),
    String(failures),
  ];
}

function ratioOf(row: Row, baseline: Row): number {
  return median(
    row.samples.map(
      (sample, round) =>
        sample.cpuMicrosecondsPerRequest / (baseline.samples[round]?.cpuMicrosecondsPerRequest ?? Number.NaN),
    ),
  );
}

function verdictOf(scenario: Scenario, rows: readonly Row[]): string | undefined {
  const ours = rows.find((row) => row.label === 'sallyport');
  const baseline = ours && baselineOf(scenario, ours, rows);
  if (!ours || !baseline || !scenario.goal) return undefined;
  const ratio = ratioOf(ours, baseline);
  const { ratio: wanted, atMost } = scenario.goal;
  const word = ratio <= wanted ? 'met' : ratio <= atMost ? 'within what is accepted' : 'MISSED';
  return `Goal: ${wanted} × ${scenario.baseline}, at most ${atMost}. Measured: ${ratio.toFixed(2)}, ${word}.`;
}

/** Compares the rows of one peer that differ in their number of routes. */
function growthOf(rows: readonly Row[]): string[] {
  return rows.flatMap((row, i) => {
    const [peer, variant] = row.label.split(', ');
    const fewer = variant && rows.slice(0, i).find(({ label }) => label.startsWith(`${peer}, `));
    return fewer ? [`${row.label}: ${ratioOf(row, fewer).toFixed(2)} × the CPU of ${fewer.label}.`] : [];
  });
}

/** Prints a report and, where it `isKept`, puts it into `results/`. */
export function publish(name: string, report: string, isKept: boolean): void {
  console.log(report);
  if (!isKept) return;
  const folder = path.join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${name}.md`), report);
}

/** Says on what the numbers were taken, and where proxy and load ran. */
export function machineNote(): string {
  return `${machine()}; proxy on one core, load and service on another.`;
}

/** The same of what ran in one process. */
export function processNote(): string {
  return `${machine()}.`;
}

function machine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${model}, ${cpus().length} cores, ${memory} GiB, Linux ${release()}, Node ${process.versions.node}`;
}
