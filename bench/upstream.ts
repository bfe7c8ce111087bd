import { parseArgs } from 'node:util';
import type { Snapshot } from '../src/snapshot/snapshot.ts';
import type { Upstream } from '../src/upstream/upstream.ts';
import type { UpstreamTarget } from '../src/upstream/upstream-target.ts';
import {
  cellsOf,
  makeSnapshot,
  makeTarget,
  measureAddition,
  measureRequests,
  metrics,
  nullTarget,
} from './in-process.ts';
import { processNote, publish } from './report.ts';

const GOAL_NS = 2000;
const ROUNDS = 31;
const REQUESTS = 20_000;
const EVERYTHING = {
  circuitBreaker: {},
  slowStart: '30s',
  health: { passive: {} },
  retries: { max: 1 },
};

const { values: options } = parseArgs({ options: { write: { type: 'boolean', default: false } } });

function makeTargets(count: number, weights: readonly number[]): UpstreamTarget[] {
  return Array.from({ length: count }, (_, i) => {
    const target = nullTarget(`10.0.0.${i}:80`);
    const meter = metrics.upstreamTarget('service', target.name);
    return makeTarget(target, meter, weights[i % weights.length]);
  });
}

async function withUpstream(count: number, upstream: object, weights = [1]): Promise<Snapshot> {
  const upstreams = { service: { targets: ['http://127.0.0.1:1'], ...upstream } };
  const snapshot = await makeSnapshot([], undefined, { config: { upstreams } });
  snapshot.upstreams.get('service')?.setTargets(makeTargets(count, weights));
  return snapshot;
}

/** The same, but the target is taken unasked and nothing is noted. */
async function withoutUpstream(): Promise<Snapshot> {
  const snapshot = await withUpstream(1, {});
  const [target] = makeTargets(1, [1]);
  const upstream = snapshot.upstreams.get('service') as Upstream;
  Object.assign(upstream, { pick: () => target, report() {}, release() {}, forget() {}, retries: undefined });
  return snapshot;
}

const off = await withoutUpstream();
const cases: readonly (readonly [string, Snapshot])[] = [
  ['one target, defaults', await withUpstream(1, {})],
  ['5 targets, defaults', await withUpstream(5, {})],
  ['5 targets, all on, round-robin', await withUpstream(5, EVERYTHING)],
  ['5 targets, all on, round-robin with weights', await withUpstream(5, EVERYTHING, [1, 2, 3, 4, 5])],
  [
    '5 targets, all on, least-connections',
    await withUpstream(5, { ...EVERYTHING, balance: 'least-connections' }),
  ],
  ['5 targets, all on, two-choices', await withUpstream(5, { ...EVERYTHING, balance: 'two-choices' })],
  ['5 targets, all on, random', await withUpstream(5, { ...EVERYTHING, balance: 'random' })],
  ['5 targets, all on, hash:ip', await withUpstream(5, { ...EVERYTHING, balance: 'hash:ip' })],
  [
    '100 targets, all on, least-connections',
    await withUpstream(100, { ...EVERYTHING, balance: 'least-connections' }),
  ],
  ['100 targets, all on, hash:ip', await withUpstream(100, { ...EVERYTHING, balance: 'hash:ip' })],
  [
    '100 targets of 5 weights, all on, hash:ip',
    await withUpstream(100, { ...EVERYTHING, balance: 'hash:ip' }, [1, 2, 3, 4, 5]),
  ],
];

for (let i = 0; i < 3; i++)
  for (const [, on] of cases) for (const each of [on, off]) measureRequests(each, REQUESTS);
const rows = cases.map(([name, on]) => ({ name, ...measureAddition(on, off, ROUNDS, REQUESTS) }));

const isMet = rows.every(({ added }) => added <= GOAL_NS);
const report = `## What choosing a target and keeping books adds to a request

| | off, ns | on, ns | added, ns |
| --- | --: | --: | --: |
${rows.map((row) => `| ${row.name} | ${cellsOf(row)} |`).join('\n')}

CPU time a request in one process, from the head to the end of the answer, without sockets. Medians of ${ROUNDS} rounds of ${REQUESTS.toLocaleString('en')}
requests, on and off by turns. Goal: at most ${GOAL_NS / 1000} µs: ${isMet ? 'met' : 'MISSED'}. ${processNote()}
`;
publish('upstream', report, options.write);
process.exit(isMet ? 0 : 1);
