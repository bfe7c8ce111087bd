import { Agent, get } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ensureCommands } from '../scripts/ensure-packages.ts';
import { isPromise } from '../src/core/is-promise.ts';
import { createGateway } from '../src/gateway/create-gateway.ts';
import type { Gateway } from '../src/gateway/gateway.ts';
import { RedisLimitStore } from '../src/stores/redis-limit-store.ts';
import { MemoryDestination } from '../test/observability/memory-destination.ts';
import { RedisServer } from '../test/support/redis-server.ts';
import { quantile } from './loop-monitor.ts';
import { findFreePort } from './process.ts';
import { processNote, publish } from './report.ts';
import { makeWorkplace, writeInto } from './workplace.ts';

const LIMIT_PER_SECOND = 200;
const BURST = 100;
const COMMAND_TIMEOUT_MS = 50;
const MAX_RECOVERY_MS = 1000;
/** How coarse timers and the turns of the event loop are. */
const NOISE_MS = 15;
const TICK_MS = 1;
const LONGEST_TICK_MS = 5;

const { values: options } = parseArgs({
  options: {
    rate: { type: 'string', default: '600' },
    seconds: { type: 'string', default: '3' },
    write: { type: 'boolean', default: false },
  },
});
const rate = Number(options.rate);
const phaseMs = Number(options.seconds) * 1000;

ensureCommands(['redis-server']);
const redis = await RedisServer.start();
const workplace = makeWorkplace();
const log = new MemoryDestination();
const gateways: Gateway[] = [];
for (const name of ['one', 'two']) {
  const configFile = writeInto(
    workplace,
    `${name}.json`,
    JSON.stringify(configuration(await findFreePort())),
  );
  const gateway = await createGateway({ configFile, logLevel: 'warn', watch: false, logDestination: log });
  await gateway.start();
  gateways.push(gateway);
}

function configuration(port: number): object {
  const limit = { limit: LIMIT_PER_SECOND, window: '1s', burst: BURST, key: 'route' };
  return {
    listeners: [{ host: '127.0.0.1', port }],
    admin: { port: 0, token: 'bench' },
    accessLog: false,
    drain: { delay: '0s', timeout: '1s' },
    redis: { url: redis.url, commandTimeout: `${COMMAND_TIMEOUT_MS}ms` },
    routes: [{ id: 'all', path: '/*', respond: { status: 200 }, policies: [{ 'rate-limit': limit }] }],
  };
}

/**
 * Time as far as this process was given any. A machine that is busy with much else stops it for as long as it likes, and
 * then nothing can come in time.
 */
let ownMs = 0;
let lastTick = performance.now();
setInterval(() => {
  const now = performance.now();
  ownMs += Math.min(LONGEST_TICK_MS, now - lastTick);
  lastTick = now;
}, TICK_MS).unref();

/** How long requests waited for their limits. */
const waitsMs: number[] = [];
const { charge } = RedisLimitStore.prototype;
RedisLimitStore.prototype.charge = function (charges) {
  const startedAt = ownMs;
  const standings = charge.call(this, charges);
  const note = (): unknown => waitsMs.push(ownMs - startedAt);
  if (isPromise(standings)) standings.then(note, note);
  else note();
  return standings;
};

const agent = new Agent({ keepAlive: true });

/** Asks once; 0 where there is no answer. */
function ask(port: number): Promise<number> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/', agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    });
    request.once('error', () => resolve(0));
  });
}

/** Sends requests to both gateways at a steady rate, whether or not they are answered. */
async function load(isOver: () => boolean): Promise<number[]> {
  const answers: Promise<number>[] = [];
  const startedAt = performance.now();
  while (!isOver()) {
    const due = ((performance.now() - startedAt) / 1000) * rate;
    while (answers.length < due) answers.push(ask(gateways[answers.length % 2]?.ports[0] ?? 0));
    await wait(2);
  }
  return Promise.all(answers);
}

const knowOfRedis = (): boolean => gateways.every((gateway) => gateway.readiness().details.length === 0);

async function timeUntil(isMet: () => boolean): Promise<number> {
  const startedAt = performance.now();
  while (!isMet() && performance.now() - startedAt < 30_000) await wait(1);
  return performance.now() - startedAt;
}

/** What is done to Redis, and how it is mended. */
interface Phase {
  readonly name: string;
  readonly disturb: () => Promise<void> | void;
  readonly mend: () => Promise<void> | void;
}

const phases: readonly Phase[] = [
  { name: 'calm', disturb: () => {}, mend: () => {} },
  { name: 'killed, started again', disturb: () => redis.kill(), mend: () => redis.resume() },
  { name: 'hangs, goes on', disturb: () => redis.freeze(), mend: () => redis.thaw() },
  { name: 'calm again', disturb: () => {}, mend: () => {} },
];

const countOutages = (): number =>
  log.lines().filter(({ msg }) => String(msg).startsWith('Redis is away')).length;

async function run({ name, disturb, mend }: Phase) {
  // A full bucket to begin with.
  await wait(((BURST * 2) / LIMIT_PER_SECOND) * 1000);
  let isOver = false;
  const startedAt = performance.now();
  const outagesBefore = countOutages();
  const loading = load(() => isOver);
  await wait(phaseMs / 2);
  await disturb();
  await wait(phaseMs);
  await mend();
  const recoveryMs = await timeUntil(knowOfRedis);
  await wait(phaseMs / 2);
  isOver = true;
  const answers = await loading;
  const seconds = (performance.now() - startedAt) / 1000;
  const outages = countOutages() - outagesBefore;
  const admitted = answers.filter((status) => status === 200).length;
  return {
    name,
    recoveryMs,
    admitted,
    even: Math.floor(LIMIT_PER_SECOND * seconds) + BURST,
    outages,
    // Of each gateway that goes on alone its share of a burst, and as much when it comes back.
    bound: Math.ceil(LIMIT_PER_SECOND * seconds) + BURST + outages * 2 * (BURST / gateways.length),
    requests: answers.length,
    others: answers.filter((status) => status !== 200 && status !== 429).length,
    waitedMs: waitsMs.splice(0).sort((a, b) => a - b),
  };
}

const outcomes = [];
for (const phase of phases) outcomes.push(await run(phase));
await Promise.all(gateways.map((gateway) => gateway.close()));
agent.destroy();
await redis.close();

const faults = outcomes.flatMap(({ name, others, admitted, bound, recoveryMs, waitedMs }) => [
  ...(others > 0 ? [`${name}: ${others} answers that are neither 200 nor 429`] : []),
  ...(admitted > bound ? [`${name}: ${admitted} admitted, at most ${bound}`] : []),
  ...(recoveryMs > MAX_RECOVERY_MS ? [`${name}: back after ${recoveryMs.toFixed(0)} ms`] : []),
  ...((waitedMs.at(-1) ?? 0) > COMMAND_TIMEOUT_MS + NOISE_MS
    ? [`${name}: waited ${waitedMs.at(-1)?.toFixed(0)} ms`]
    : []),
]);
const rows = outcomes.map(
  ({ name, requests, outages, others, admitted, even, bound, recoveryMs, waitedMs }) =>
    [
      name,
      requests,
      outages,
      others,
      admitted,
      even,
      bound,
      recoveryMs.toFixed(0),
      quantile(waitedMs, 0.5).toFixed(1),
      quantile(waitedMs, 0.99).toFixed(1),
      (waitedMs.at(-1) ?? 0).toFixed(1),
    ].join(' | '),
);
const report = `## Two gateways whose Redis goes and comes, under ${rate} requests a second

| | requests | outages, both gateways | neither 200 nor 429 | let through | by the limit | documented bound | back after, ms | waits, p50 ms | p99 ms | at most ms |
| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |
${rows.map((row) => `| ${row} |`).join('\n')}

One limit of ${LIMIT_PER_SECOND} a second with a burst of ${BURST} for all, \`onStoreFailure: fair-share\`, \`commandTimeout: ${COMMAND_TIMEOUT_MS}ms\`; Redis saves nothing. "Back" is counted from when Redis answers again.
Waits are those for the limit alone, without the time in which the machine did not let the process run. Where it stops for long, that is an outage too.
Goals: nothing but 200 and 429, no wait above the command timeout (and ${NOISE_MS} ms for timers), no more let through than the bound, back within ${MAX_RECOVERY_MS} ms: ${faults.length === 0 ? 'met' : `MISSED (${faults.join('; ')})`}. ${processNote()}
`;
publish('redis-chaos', report, options.write);
process.exit(faults.length === 0 ? 0 : 1);
