/**
 * Does to five targets under load what happens to targets, and says what clients saw of it: one is killed, one hangs,
 * one becomes ten times slower, one answers 500 to a tenth, all are restarted one after the other.
 * `node bench/faults.ts --rate 300 --seconds 8`. Fails where more than 0.1 % of the requests fail (none in the
 * restarts), or there are more than 1.2 attempts a request.
 */
import { fork } from 'node:child_process';
import { Agent, get } from 'node:http';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createGateway } from '../src/gateway/create-gateway.ts';
import type { TargetMode, TargetNews } from './fault-targets.ts';
import { quantile } from './loop-monitor.ts';
import { findFreePort } from './process.ts';
import { processNote, publish } from './report.ts';
import { makeWorkplace, writeInto } from './workplace.ts';

const TARGETS = 5;
const MAX_FAILED = 0.001;
const MAX_ATTEMPTS = 1.2;

const { values: options } = parseArgs({
  options: {
    rate: { type: 'string', default: '300' },
    seconds: { type: 'string', default: '8' },
    balance: { type: 'string', default: 'round-robin' },
    write: { type: 'boolean', default: false },
  },
});
const rate = Number(options.rate);
const phaseMs = Number(options.seconds) * 1000;

/** What happens in one part of the script. */
interface Phase {
  readonly name: string;
  readonly disturb: () => Promise<void>;
  readonly mend: () => Promise<void>;
  /** The target that is to go out, if it should. */
  readonly goesOut?: number;
  readonly maxFailed: number;
}

interface Outcome {
  readonly phase: Phase;
  readonly requests: number;
  readonly failed: number;
  readonly attempts: number;
  readonly outAfterMs: number | undefined;
  readonly backAfterMs: number | undefined;
  readonly shareOfBad: number | undefined;
  readonly latenciesMs: readonly number[];
}

const child = fork(path.join(import.meta.dirname, 'fault-targets.ts'), [String(TARGETS)]);
const news = (): Promise<TargetNews> =>
  new Promise((resolve) => child.once('message', (message) => resolve(message as TargetNews)));
const first = await news();

async function order(message: { target: number; mode: TargetMode } | 'tell'): Promise<TargetNews> {
  const answer = news();
  child.send(message);
  return answer;
}

const port = await findFreePort();
const configFile = writeInto(makeWorkplace(), 'sallyport.json', JSON.stringify(configuration()));
const gateway = await createGateway({ configFile, logLevel: 'error', watch: false });
await gateway.start();

function configuration(): object {
  return {
    listeners: [{ host: '127.0.0.1', port }],
    admin: { port: 0, token: 'bench' },
    accessLog: false,
    upstreams: {
      service: {
        targets: first.ports.map((targetPort) => `http://127.0.0.1:${targetPort}`),
        balance: options.balance,
        timeouts: { connect: '500ms', response: '500ms' },
        health: {
          active: { path: '/healthz', interval: '500ms', timeout: '300ms' },
          passive: { ejectFor: '1s' },
        },
        retries: { max: 1, on: ['connect-error', 500, 502, 503, 504], budget: '20%' },
      },
    },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
  };
}

const agent = new Agent({ keepAlive: true });
const reasons = new Map<string, number>();

/** Asks once; returns the milliseconds, or `undefined` where it failed. */
function ask(): Promise<number | undefined> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const fail = (reason: string): void => {
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      resolve(undefined);
    };
    const request = get({ port, host: '127.0.0.1', path: '/', agent }, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 200) resolve(performance.now() - startedAt);
        else fail(`status ${response.statusCode}`);
      });
      response.on('error', (error) => fail(error.message));
    });
    request.on('error', (error) => fail(error.message));
  });
}

/** Sends requests at a steady rate, whether or not they are answered, as many clients would. */
async function load(isOver: () => boolean): Promise<(number | undefined)[]> {
  const results: Promise<number | undefined>[] = [];
  const startedAt = performance.now();
  while (!isOver()) {
    const due = ((performance.now() - startedAt) / 1000) * rate;
    while (results.length < due) results.push(ask());
    await wait(3);
  }
  return Promise.all(results);
}

async function isHealthy(target: number): Promise<boolean> {
  const { upstreams } = await gateway.describe();
  return upstreams[0]?.targets[target]?.state === 'healthy';
}

/** How long it takes until a target's health is this; `undefined` where it does not come to that. */
async function timeUntil(target: number, wanted: boolean, maxMs: number): Promise<number | undefined> {
  const startedAt = performance.now();
  while (performance.now() - startedAt < maxMs) {
    if ((await isHealthy(target)) === wanted) return performance.now() - startedAt;
    await wait(5);
  }
  return undefined;
}

async function run(phase: Phase): Promise<Outcome> {
  const before = await order('tell');
  let isOver = false;
  const loading = load(() => isOver);
  await wait(500);
  const { goesOut } = phase;
  const startedAt = performance.now();
  const watching = goesOut === undefined ? undefined : timeUntil(goesOut, false, phaseMs);
  await phase.disturb();
  const outAfterMs = await watching;
  await wait(Math.max(0, phaseMs - (performance.now() - startedAt)));
  const disturbed = await order('tell');
  await phase.mend();
  const backAfterMs = goesOut === undefined ? undefined : await timeUntil(goesOut, true, 60_000);
  await wait(1000);
  isOver = true;
  const latencies = await loading;
  const after = await order('tell');
  const served = (since: TargetNews, until: TargetNews): number[] =>
    until.served.map((count, i) => count - (since.served[i] as number));
  const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
  const whileDisturbed = served(before, disturbed);
  const latenciesMs = latencies.filter((ms) => ms !== undefined).sort((a, b) => a - b);
  return {
    phase,
    requests: latencies.length,
    failed: latencies.length - latenciesMs.length,
    attempts: sum(served(before, after)),
    outAfterMs,
    backAfterMs,
    shareOfBad: phase.name.includes('restart')
      ? undefined
      : (whileDisturbed[0] as number) / sum(whileDisturbed),
    latenciesMs,
  };
}

const mend = async (): Promise<void> => void (await order({ target: 0, mode: 'well' }));
const fault = (mode: TargetMode) => async (): Promise<void> => void (await order({ target: 0, mode }));

async function restartAll(mode: TargetMode): Promise<void> {
  for (let target = 0; target < TARGETS; target++) {
    await order({ target, mode });
    await wait(phaseMs / TARGETS / 2);
    await order({ target, mode: 'well' });
    await wait(phaseMs / TARGETS / 2);
  }
}

const nothing = async (): Promise<void> => {};
const phases: readonly Phase[] = [
  { name: 'nothing', disturb: nothing, mend: nothing, maxFailed: 0 },
  { name: 'one is killed', disturb: fault('dead'), mend, goesOut: 0, maxFailed: MAX_FAILED },
  { name: 'one hangs', disturb: fault('hung'), mend, goesOut: 0, maxFailed: MAX_FAILED },
  { name: 'one is 10 × slower', disturb: fault('slow'), mend, maxFailed: MAX_FAILED },
  { name: 'one answers 500 to a tenth', disturb: fault('failing'), mend, maxFailed: MAX_FAILED },
  { name: 'rolling restart', disturb: () => restartAll('leaving'), mend: nothing, maxFailed: 0 },
  {
    name: 'rolling restart, killed',
    disturb: () => restartAll('dead'),
    mend: nothing,
    maxFailed: MAX_FAILED,
  },
];

const outcomes: Outcome[] = [];
for (const phase of phases) outcomes.push(await run(phase));
await gateway.close();
child.disconnect();

const isMet = outcomes.every(
  ({ phase, requests, failed, attempts }) =>
    failed <= phase.maxFailed * requests && attempts <= MAX_ATTEMPTS * requests,
);
const ms = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(0));
const rows = outcomes.map(({ phase, requests, failed, attempts, ...rest }) =>
  [
    phase.name,
    requests,
    failed,
    `${((failed / requests) * 100).toFixed(3)} %`,
    (attempts / requests).toFixed(3),
    rest.shareOfBad === undefined ? '' : `${(rest.shareOfBad * 100).toFixed(1)} %`,
    ms(rest.outAfterMs),
    ms(rest.backAfterMs),
    ms(quantile(rest.latenciesMs, 0.5)),
    ms(quantile(rest.latenciesMs, 0.99)),
    ms(quantile(rest.latenciesMs, 1)),
  ].join(' | '),
);
const report = `## Five targets under ${rate} GETs a second, ${options.balance}

| | requests | failed | share | attempts a request | share of the bad one | out after, ms | back after, ms | p50 ms | p99 ms | at most ms |
| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |
${rows.map((row) => `| ${row} |`).join('\n')}

Targets need 5 ms. Timeouts 500 ms, checks each 500 ms, ejection for 1 s, one retry, budget 20 %. "Back" is counted from the mending.
Goal: at most ${MAX_FAILED * 100} % failed, none in a rolling restart, at most ${MAX_ATTEMPTS} attempts a request: ${isMet ? 'met' : 'MISSED'}. ${processNote()}
`;
publish('faults', report, options.write);
for (const [reason, count] of reasons) console.log(`${count} × ${reason}`);
process.exit(isMet ? 0 : 1);
