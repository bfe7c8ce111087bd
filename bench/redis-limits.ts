import { parseArgs } from 'node:util';
import { ensureCommands } from '../scripts/ensure-packages.ts';
import type { RedisConfig } from '../src/config/schema/redis-schema.ts';
import { systemClock } from '../src/core/clock.ts';
import type { Snapshot } from '../src/snapshot/snapshot.ts';
import { RedisConnection } from '../src/stores/redis-connection.ts';
import { RedisLimitStore } from '../src/stores/redis-limit-store.ts';
import { LIMIT_SCRIPT } from '../src/stores/redis-limits.ts';
import { RedisServer } from '../test/support/redis-server.ts';
import { makeSnapshot, metrics, quietLog, sendRequest } from './in-process.ts';
import { quantile } from './loop-monitor.ts';
import { processNote, publish } from './report.ts';
import { median } from './statistics.ts';

const ROUNDS = 21;
const REQUESTS = 8000;
const UNDER_WAY = 32;

const { values: options } = parseArgs({ options: { write: { type: 'boolean', default: false } } });

ensureCommands(['redis-server']);
const redis = await RedisServer.start();

async function openStore(settings: Partial<RedisConfig> = {}): Promise<RedisLimitStore> {
  const config: RedisConfig = {
    url: redis.url,
    database: 0,
    commandTimeout: 1000,
    connectTimeout: 1000,
    prefix: `${settings.sync ?? 'each'}:`,
    onStoreFailure: 'closed',
    ...settings,
  };
  const services = { log: quietLog, clock: systemClock, metrics, random: Math.random };
  const connection = new RedisConnection({
    config,
    services,
    scripts: [LIMIT_SCRIPT],
    isGateway: settings.sync === undefined,
  });
  await connection.firstAttempt;
  return new RedisLimitStore(connection, services);
}

interface Costs {
  readonly cpuNs: number;
  readonly timesMs: readonly number[];
}

/** Sends requests, `underWay` of them at a time. */
async function measure(snapshot: Snapshot, underWay: number): Promise<Costs> {
  const timesMs: number[] = [];
  const before = process.cpuUsage();
  let sent = 0;
  await new Promise<void>((resolve, reject) => {
    let ended = 0;
    const next = (): void => {
      if (sent >= REQUESTS) return;
      const startedAt = performance.now();
      sendRequest(snapshot, sent++, (status) => {
        timesMs.push(performance.now() - startedAt);
        if (status !== 200) reject(new Error(`status ${status}`));
        if (++ended === REQUESTS) resolve();
        // Not within the answer: what is answered at once would fill the stack.
        else if (sent < REQUESTS) queueMicrotask(next);
      });
    };
    for (let i = 0; i < underWay; i++) next();
  });
  const { user, system } = process.cpuUsage(before);
  return { cpuNs: ((user + system) * 1000) / REQUESTS, timesMs };
}

const each = await openStore();
const leased = await openStore({ sync: 100 });
const limit = (more: object = {}) => ({ 'rate-limit': { limit: 100_000_000, window: '1h', ...more } });
const three = [
  limit(),
  limit({ id: 'second', window: '1m' }),
  { quota: { limit: 1e9, period: 'month', key: 'ip' } },
];
const off = await makeSnapshot([], each);
const cases = [
  { name: 'one limit', on: await makeSnapshot([limit()], each), underWay: UNDER_WAY, goalNs: 20_000 },
  {
    name: 'one limit, one request at a time',
    on: await makeSnapshot([limit()], each),
    underWay: 1,
    goalNs: undefined,
  },
  {
    name: 'two rate limits and a quota',
    on: await makeSnapshot(three, each),
    underWay: UNDER_WAY,
    goalNs: undefined,
  },
  {
    name: 'one limit, leases (`sync: 100ms`)',
    on: await makeSnapshot([limit()], leased),
    underWay: UNDER_WAY,
    goalNs: 3000,
  },
];

for (let i = 0; i < 4; i++)
  for (const { on, underWay } of cases) await measure(on, underWay).then(() => measure(off, underWay));
const rows = [];
for (const { name, on, underWay, goalNs } of cases) {
  const added: number[] = [];
  const times: number[] = [];
  const offTimes: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const first = await measure(round % 2 === 0 ? off : on, underWay);
    const second = await measure(round % 2 === 0 ? on : off, underWay);
    const [without, withLimit] = round % 2 === 0 ? [first, second] : [second, first];
    added.push(withLimit.cpuNs - without.cpuNs);
    times.push(quantile(withLimit.timesMs, 0.99));
    offTimes.push(quantile(without.timesMs, 0.99));
  }
  rows.push({ name, goalNs, addedNs: median(added), p99Ms: median(times) - median(offTimes) });
}

const isMet = rows.every(({ addedNs, goalNs }) => goalNs === undefined || addedNs <= goalNs);
const us = (ns: number): string => (ns / 1000).toFixed(1);
const report = `## What limits in Redis add to a request

| | CPU of the gateway, µs | goal, µs | p99 of the time, ms |
| --- | --: | --: | --: |
${rows.map(({ name, addedNs, goalNs, p99Ms }) => `| ${name} | ${us(addedNs)} | ${goalNs === undefined ? '' : us(goalNs)} | ${p99Ms.toFixed(2)} |`).join('\n')}

A request in one process, from the head to the end of the answer, without sockets towards clients and targets, ${UNDER_WAY} requests at a time unless it says
otherwise, 1,024 clients; Redis on the same machine, over TCP. Medians of ${ROUNDS} rounds of ${REQUESTS.toLocaleString('en')} requests, on and off by turns. Goals: ${isMet ? 'met' : 'MISSED'}. ${processNote()}
`;
publish('redis-limits', report, options.write);
await redis.close();
process.exit(isMet ? 0 : 1);
