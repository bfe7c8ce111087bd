/**
 * Asks what a limit in memory adds to a request. A request goes through `handleRequest` to a target that answers at
 * once, with a limit (on) and without (off), by turns. Goal: at most 1.5 µs for one limit.
 * Run: `node bench/limits.ts`.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { gatewaySchema } from '../src/config/schema.ts';
import { EMPTY_BODY } from '../src/core/body.ts';
import { BufferBudget } from '../src/core/buffer-budget.ts';
import { systemClock } from '../src/core/clock.ts';
import { HeaderList, markField } from '../src/core/header-list.ts';
import { KeptResources } from '../src/core/kept-resources.ts';
import type { ClientRequest, ClientSink, Target } from '../src/core/message.ts';
import type { Log, Services } from '../src/core/services.ts';
import { handleRequest } from '../src/gateway/handle-request.ts';
import { Deadlines } from '../src/http1/deadlines.ts';
import { createMetrics } from '../src/observability/metrics.ts';
import { builtInPolicies } from '../src/policies/index.ts';
import { ConnectionCount } from '../src/proxy/http-target.ts';
import { NO_ALLOWANCES } from '../src/router/path-spelling.ts';
import { buildSnapshot, type Snapshot } from '../src/snapshot/snapshot.ts';
import { MemoryLimitStore } from '../src/stores/memory-limit-store.ts';
import { TargetState } from '../src/upstream/target-state.ts';
import { UpstreamTarget } from '../src/upstream/upstream-target.ts';
import { machineNote } from './report.ts';
import { median } from './statistics.ts';

const GOAL_NS = 1500;
const ROUNDS = 31;
const REQUESTS = 20_000;
const CLIENTS = 1024;
const LIMIT = { limit: 1_000_000, window: '1h' };

const { values: options } = parseArgs({ options: { write: { type: 'boolean', default: false } } });
const log: Log = { debug() {}, info() {}, warn() {}, error() {} };
const metrics = createMetrics({ version: '0.0.0' });
const deadlines = new Deadlines(systemClock);
const kept = new KeptResources();
const limits = new MemoryLimitStore({ clock: systemClock, log, metrics });
const rules = { allowEncoded: NO_ALLOWANCES, redirectToHttps: undefined };
const context = { clock: systemClock, accessLog: undefined };

/** Answers 200 at once. */
const nullTarget: Target = {
  name: '10.0.0.1:80',
  exchange(_, sink) {
    sink.head({ status: 200, reason: '', headers: HeaderList.from(), length: 0 });
    sink.end();
    return { cancel() {} };
  },
};

async function makeSnapshot(policies: readonly object[]): Promise<Snapshot> {
  const config = gatewaySchema(builtInPolicies).parse({
    listeners: [{ port: 0 }],
    upstreams: { service: { targets: ['http://127.0.0.1:1'] } },
    routes: [{ id: 'all', path: '/orders/:id', upstream: 'service', policies }],
  });
  const keep: Services['keep'] = (key, create, close) => kept.hold(key, create, close);
  const services = { log, clock: systemClock, metrics, random: Math.random, configFolder: '.', keep, limits };
  const snapshot = await buildSnapshot(config, 1, {
    services,
    clock: systemClock,
    log,
    metrics,
    deadlines,
    kept,
    budget: new BufferBudget(),
    policies: builtInPolicies,
    targetConnections: new ConnectionCount(),
  });
  const settings = { failures: 5, ejectForMs: 30_000, healthyAfter: 2, unhealthyAfter: 3 };
  const state = new TargetState(settings, systemClock);
  const target = new UpstreamTarget({ target: nullTarget, meter: undefined, weight: 1, state });
  snapshot.upstreams.get('service')?.setTargets([target]);
  return snapshot;
}

const HEAD = 'accept: application/json\r\nuser-agent: bench/1.0\r\n';

const clients = Array.from({ length: CLIENTS }, (_, i) => ({
  remoteAddress: `192.0.${i >> 8}.${i & 255}`,
  remotePort: 40_000 + i,
  localPort: 8080,
  isSecure: false,
  serverName: undefined,
}));

function makeRequest(i: number): ClientRequest {
  const marks: number[] = [];
  markField(marks, 0, HEAD, 0, 6, 8, 24);
  markField(marks, 5, HEAD, 26, 36, 38, 47);
  return {
    method: 'GET',
    target: '/orders/1',
    httpVersion: '1.1',
    authority: 'api.example.com',
    headers: HeaderList.received(HEAD, HEAD.length, marks),
    body: EMPTY_BODY,
    upgrade: undefined,
    acceptsTrailers: false,
    client: clients[i % CLIENTS] as ClientRequest['client'],
  };
}

class NullClient implements ClientSink {
  onDrain: (() => void) | undefined = undefined;
  onClose: ((bytesSent: number) => void) | undefined = undefined;
  onFinish: ((bytesSent: number) => void) | undefined = undefined;
  status = 0;
  informational(): void {}
  head({ status }: { status: number }): void {
    this.status = status;
  }
  write(): boolean {
    return true;
  }
  flush(): void {}
  end(): void {
    this.onFinish?.(0);
  }
  abort(): void {}
  switchProtocols(): void {}
}

/** Nanoseconds of CPU a request. */
function measure(snapshot: Snapshot): number {
  const before = process.cpuUsage();
  for (let i = 0; i < REQUESTS; i++) {
    const client = new NullClient();
    handleRequest(makeRequest(i), client, rules, snapshot, context);
    if (client.status !== 200) throw new Error(`status ${client.status}`);
  }
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / REQUESTS;
}

const one = (more: object = {}) => ({ 'rate-limit': { ...LIMIT, ...more } });
const off = await makeSnapshot([]);
const cases: readonly (readonly [name: string, on: Snapshot, goalNs: number])[] = [
  ['token-bucket by address', await makeSnapshot([one()]), GOAL_NS],
  ['sliding-window by address', await makeSnapshot([one({ algorithm: 'sliding-window' })]), GOAL_NS],
  [
    'fixed-window by header',
    await makeSnapshot([one({ algorithm: 'fixed-window', key: 'header:user-agent' })]),
    GOAL_NS,
  ],
  [
    'three at once: two rate limits and a quota',
    await makeSnapshot([
      one(),
      one({ id: 'second', window: '1m' }),
      { quota: { limit: 1e9, period: 'month', key: 'ip' } },
    ]),
    2 * GOAL_NS,
  ],
  ['concurrency by address', await makeSnapshot([{ concurrency: { limit: 100, key: 'ip' } }]), GOAL_NS],
];

for (let i = 0; i < 3; i++) for (const [, on] of cases) measure(on) + measure(off);
const rows = cases.map(([name, on, goalNs]) => {
  const offNs: number[] = [];
  const onNs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const isOffFirst = round % 2 === 0;
    if (isOffFirst) offNs.push(measure(off));
    onNs.push(measure(on));
    if (!isOffFirst) offNs.push(measure(off));
  }
  const differences = onNs.map((ns, i) => ns - (offNs[i] as number));
  return { name, off: median(offNs), on: median(onNs), added: median(differences), goalNs };
});

const isMet = rows.every(({ added, goalNs }) => added <= goalNs);
const report = `## What limits in memory add to a request

| | off, ns | on, ns | added, ns | goal, ns |
| --- | --: | --: | --: | --: |
${rows.map((row) => `| ${row.name} | ${row.off.toFixed(0)} | ${row.on.toFixed(0)} | ${row.added.toFixed(0)} | ${row.goalNs} |`).join('\n')}

CPU time a request in one process, from the head to the end of the answer, without sockets, ${CLIENTS.toLocaleString('en')} clients. Medians of ${ROUNDS} rounds of
${REQUESTS.toLocaleString('en')} requests, on and off by turns. Goals: ${isMet ? 'met' : 'MISSED'}. ${machineNote().replace(/; proxy .*/, '.')}
`;
console.log(report);
if (options.write) {
  const results = path.join(import.meta.dirname, 'results');
  await mkdir(results, { recursive: true });
  await writeFile(path.join(results, 'limits.md'), report);
}
process.exit(isMet ? 0 : 1);
