import { processNote } from '../report.ts';
import { median } from '../statistics.ts';
import { CAUSES } from './incidents.ts';
import type { Calm, Outcome } from './trial.ts';

/** How much more a process may hold after a collection in the last third of the rounds than in the first: what leaks is there. */
const MAX_HELD_GROWTH = 1.15;
const MAX_HELD_GROWTH_MIB = 8;
/**
 * How much more memory it may have in the last third than in the second. What the system has given to a process it keeps for
 * its busiest moment, so that this grows at first and then stays.
 */
const MAX_GROWTH = 1.1;
const MAX_GROWTH_MIB = 24;
const MAX_MORE_DESCRIPTORS = 16;
const MAX_MORE_TIMERS = 16;

/** What of a gateway is not as it should be, a sentence each. Peers are only compared. */
export function findProblems(outcomes: readonly Outcome[]): string[] {
  return outcomes.filter(({ name }) => name.startsWith('sallyport')).flatMap(problemsOf);
}

function problemsOf({ name, failures, doubled, calms, gauges, gaugesBefore }: Outcome): string[] {
  const own = failures.filter(({ cause }) => cause === undefined);
  const [first, middle, last] = thirdsOf(calms);
  const [before, after] = change(middle, last, ({ master }) => master.residentMiB);
  const [fewer, more] = change(first, last, ({ master }) => master.descriptors);
  const [heldBefore, held] = change(first, last, heldMiB);
  const [timersBefore, timers] = change(first, last, ({ own: told }) => told?.timers ?? 0);
  const grew = (what: string, from: number, to: number): string =>
    `${name}: ${what} grew from ${from.toFixed(0)} to ${to.toFixed(0)}`;
  return [
    ...(own.length > 0 ? [`${name}: ${own.length} failures of its own`] : []),
    ...(doubled.length > 0 ? [`${name}: ${doubled.length} requests reached services twice`] : []),
    ...(held > heldBefore * MAX_HELD_GROWTH + MAX_HELD_GROWTH_MIB
      ? [grew('what it holds after a collection, in MiB,', heldBefore, held)]
      : []),
    ...(after > before * MAX_GROWTH + MAX_GROWTH_MIB ? [grew('memory, in MiB,', before, after)] : []),
    ...(more > fewer + MAX_MORE_DESCRIPTORS ? [grew('descriptors', fewer, more)] : []),
    ...(timers > timersBefore + MAX_MORE_TIMERS ? [grew('timers', timersBefore, timers)] : []),
    ...leftovers(name, gauges ?? {}, gaugesBefore ?? {}),
  ];
}

const heldMiB = ({ own }: Calm): number => (own === undefined ? 0 : own.held.heap + own.held.external);

/** The first, the middle and the last third of the rounds, which overlap where there are few. */
function thirdsOf(calms: readonly Calm[]): [Calm[], Calm[], Calm[]] {
  const size = Math.ceil(calms.length / 3);
  return [calms.slice(0, size), calms.slice(-2 * size).slice(0, size), calms.slice(-size)];
}

function change(
  from: readonly Calm[],
  to: readonly Calm[],
  pick: (calm: Calm) => number,
): readonly [number, number] {
  return [median(from.map(pick)), median(to.map(pick))];
}

/** One process has one configuration in memory, and as many as there are workers have as many. */
function leftovers(
  name: string,
  gauges: Readonly<Record<string, number>>,
  before: Readonly<Record<string, number>>,
): string[] {
  const workers = gauges.gateway_workers ?? 1;
  const allowed: Readonly<Record<string, number>> = {
    gateway_workers: workers,
    gateway_snapshots: workers,
    gateway_timers: (before.gateway_timers ?? 0) + MAX_MORE_TIMERS,
  };
  return Object.entries(gauges).flatMap(([gauge, value]) =>
    value <= (allowed[gauge] ?? 0) ? [] : [`${name}: ${gauge} is ${value} at the end`],
  );
}

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
  line('what it holds after a collection, MiB, round by round', ({ calms }) =>
    calms.map((calm) => (calm.own === undefined ? '–' : heldMiB(calm).toFixed(0))).join(' '),
  ),
  line('its timers that are armed, round by round', ({ calms }) =>
    calms.map(({ own }) => own?.timers ?? '–').join(' '),
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
  const [first, , last] = thirdsOf(calms);
  return change(first, last, pick)
    .map((value) => value.toFixed(0))
    .join(' → ');
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
