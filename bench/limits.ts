import { parseArgs } from 'node:util';
import { systemClock } from '../src/core/clock.ts';
import type { Snapshot } from '../src/snapshot/snapshot.ts';
import { MemoryLimitStore } from '../src/stores/memory-limit-store.ts';
import { cellsOf, makeSnapshot, measureAddition, measureRequests, metrics, quietLog } from './in-process.ts';
import { processNote, publish } from './report.ts';

const GOAL_NS = 1500;
const ROUNDS = 31;
const REQUESTS = 20_000;
const LIMIT = { limit: 1_000_000, window: '1h' };

const { values: options } = parseArgs({ options: { write: { type: 'boolean', default: false } } });
const limits = new MemoryLimitStore({ clock: systemClock, log: quietLog, metrics });

const one = (more: object = {}) => ({ 'rate-limit': { ...LIMIT, ...more } });
const off = await makeSnapshot([], limits);
const cases: readonly (readonly [name: string, on: Snapshot, goalNs: number])[] = [
  ['token-bucket by address', await makeSnapshot([one()], limits), GOAL_NS],
  ['sliding-window by address', await makeSnapshot([one({ algorithm: 'sliding-window' })], limits), GOAL_NS],
  [
    'fixed-window by header',
    await makeSnapshot([one({ algorithm: 'fixed-window', key: 'header:user-agent' })], limits),
    GOAL_NS,
  ],
  [
    'three at once: two rate limits and a quota',
    await makeSnapshot(
      [one(), one({ id: 'second', window: '1m' }), { quota: { limit: 1e9, period: 'month', key: 'ip' } }],
      limits,
    ),
    2 * GOAL_NS,
  ],
  [
    'concurrency by address',
    await makeSnapshot([{ concurrency: { limit: 100, key: 'ip' } }], limits),
    GOAL_NS,
  ],
];

for (let i = 0; i < 3; i++)
  for (const [, on] of cases) for (const each of [on, off]) measureRequests(each, REQUESTS);
const rows = cases.map(([name, on, goalNs]) => ({
  name,
  goalNs,
  ...measureAddition(on, off, ROUNDS, REQUESTS),
}));

const isMet = rows.every(({ added, goalNs }) => added <= goalNs);
const report = `## What limits in memory add to a request

| | off, ns | on, ns | added, ns | goal, ns |
| --- | --: | --: | --: | --: |
${rows.map((row) => `| ${row.name} | ${cellsOf(row)} | ${row.goalNs} |`).join('\n')}

CPU time a request in one process, from the head to the end of the answer, without sockets, 1,024 clients. Medians of ${ROUNDS} rounds of
${REQUESTS.toLocaleString('en')} requests, on and off by turns. Goals: ${isMet ? 'met' : 'MISSED'}. ${processNote()}
`;
publish('limits', report, options.write);
process.exit(isMet ? 0 : 1);
