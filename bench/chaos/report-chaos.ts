import { processNote } from '../report.ts';
import { median } from '../statistics.ts';
import { CAUSES } from './incidents.ts';
import type { Calm, Outcome } from './trial.ts';

/** How much more memory of a process there may be in the last third of the rounds than in the first. */
const MAX_GROWTH = 1.2;
const MAX_GROWTH_MIB = 24;
const MAX_MORE_DESCRIPTORS = 16;

/** What of a gateway is not as it should be, a sentence each. Peers are only compared. */
export function findProblems(outcomes: readonly Outcome[]): string[] {
  return outcomes.filter(({ name }) => name.startsWith('sallyport')).flatMap(problemsOf);
}

function problemsOf({ name, failures, doubled, calms, gauges }: Outcome): string[] {
  const own = failures.filter(({ cause }) => cause === undefined);
  const [first, last] = [calms.slice(0, third(calms)), calms.slice(-third(calms))];
  const grown = (pick: (calm: Calm) => number): readonly [number, number] => [
    median(first.map(pick)),
    median(last.map(pick)),
  ];
  const [before, after] = grown(({ master }) => master.residentMiB);
  const [fewer, more] = grown(({ master }) => master.descriptors);
  return [
    ...(own.length > 0 ? [`${name}: ${own.length} failures of its own`] : []),
    ...(doubled.length > 0 ? [`${name}: ${doubled.length} requests reached services twice`] : []),
    ...(after > before * MAX_GROWTH + MAX_GROWTH_MIB
      ? [`${name}: memory grew from ${before.toFixed(0)} to ${after.toFixed(0)} MiB`]
      : []),
    ...(more > fewer + MAX_MORE_DESCRIPTORS ? [`${name}: descriptors grew from ${fewer} to ${more}`] : []),
    ...leftovers(name, gauges ?? {}),
  ];
}

/** One process has one configuration in memory, and as many as there are workers have as many. */
function leftovers(name: string, gauges: Readonly<Record<string, number>>): string[] {
  const workers = gauges.gateway_workers ?? 1;
  return Object.entries(gauges).flatMap(([gauge, value]) => {
    const wanted = gauge === 'gateway_snapshots' || gauge === 'gateway_workers' ? workers : 0;
    return gauge.startsWith('nodejs_') || value <= wanted ? [] : [`${name}: ${gauge} is ${value} at the end`];
  });
}

const third = (calms: readonly Calm[]): number => Math.ceil(calms.length / 3);

/** Writes what clients saw as Markdown. */
export function reportChaos(outcomes: readonly Outcome[]): string {
  const names = outcomes.map(({ name }) => name);
  const line = (title: string, value: (outcome: Outcome) => string | number): string =>
    `| ${title} | ${outcomes.map(value).join(' | ')} |`;
  const table = (lines: readonly string[]): string =>
    [`| | ${names.join(' | ')} |`, `| --- |${' --: |'.repeat(names.length)}`, ...lines].join('\n');
  const problems = findProblems(outcomes);
  return `## Everything at once, and everything that happens

What clients asked for, and what of it failed by what it is due to. The goal is none of the gateway's own.

${table([
  line('minutes', ({ seconds }) => (seconds / 60).toFixed(1)),
  line('requests, streams and tunnels', ({ counts }) => sum(Object.values(counts)).toLocaleString('en')),
  line('configurations reloaded', ({ reloads }) => reloads),
  ...CAUSES.map((cause) =>
    line(cause, ({ failures }) => failures.filter((failure) => failure.cause === cause).length),
  ),
  line('**of its own**', ({ failures }) => failures.filter(({ cause }) => cause === undefined).length),
  line('POSTs and uploads that reached services twice', ({ doubled }) => doubled.length),
])}

Those of its own, by what was being done then:

${ownFailures(outcomes)}

What was asked for:

${table(
  kindsOf(outcomes).map((kind) => line(kind, ({ counts }) => counts[kind]?.toLocaleString('en') ?? '–')),
)}

What was done, each so many times, one after the other, while a configuration was reloaded each second:

${table(disturbancesIn(outcomes).map((name) => line(name, ({ done }) => done[name] ?? '–')))}

How it stands in a calm moment, in the first third of the rounds and in the last one:

${table([
  line('memory of the process that was started, MiB', (outcome) =>
    growth(outcome, ({ master }) => master.residentMiB),
  ),
  line('the same, round by round', ({ calms }) =>
    calms.map(({ master }) => master.residentMiB.toFixed(0)).join(' '),
  ),
  line('memory of all, MiB', (outcome) => growth(outcome, (calm) => calm.residentMiB)),
  line('descriptors of the process that was started', (outcome) =>
    growth(outcome, ({ master }) => master.descriptors),
  ),
  line('descriptors of all', (outcome) => growth(outcome, (calm) => calm.descriptors)),
  line('processes', (outcome) => growth(outcome, (calm) => calm.processes)),
])}

Gauges when nobody has asked for 25 s:

${gaugesOf(outcomes)}

Three services behind each, and two more behind a name. A request that may be repeated must never fail. What must not be repeated may be lost with
the target that was given it. What a killed worker held is read from its sockets before it is killed. \`timeouts.response\` is 5 s, one retry, checks each 500 ms; nginx has no
active checks. Only the gateway was also given other code, certificates, names and Redis, and more connections than it can have. All had their turn at the same time on the same machine.
Goal: ${problems.length === 0 ? 'met' : `MISSED (${problems.join('; ')})`}. ${processNote()}
`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function kindsOf(outcomes: readonly Outcome[]): string[] {
  return [...new Set(outcomes.flatMap(({ counts }) => Object.keys(counts)))];
}

function disturbancesIn(outcomes: readonly Outcome[]): string[] {
  return [...new Set(outcomes.flatMap(({ done }) => Object.keys(done)))];
}

function growth({ calms }: Outcome, pick: (calm: Calm) => number): string {
  const parts = [calms.slice(0, third(calms)), calms.slice(-third(calms))];
  return parts.map((part) => median(part.map(pick)).toFixed(0)).join(' → ');
}

function ownFailures(outcomes: readonly Outcome[]): string {
  const lines = outcomes.flatMap(({ name, failures }) => {
    const counts = new Map<string, number>();
    for (const { cause, kind, reason, during } of failures) {
      if (cause !== undefined) continue;
      const what = `${during}: ${kind}, ${reason}`;
      counts.set(what, (counts.get(what) ?? 0) + 1);
    }
    return [...counts].map(([what, count]) => `- ${name}: ${count} × ${what}`);
  });
  return lines.length === 0 ? 'None.' : lines.join('\n');
}

function gaugesOf(outcomes: readonly Outcome[]): string {
  const lines = outcomes.flatMap(({ name, gauges }) =>
    gauges === undefined
      ? []
      : [
          `- ${name}: ${Object.entries(gauges)
            .map(([gauge, value]) => `\`${gauge}\` ${value}`)
            .join(', ')}`,
        ],
  );
  return lines.join('\n');
}
