/**
 * Asks what choosing a target and keeping books on it adds to a request: balancing, health, breaker, retries.
 * A request goes through `handleRequest` to a target that answers at once, with these (on) and with one target that
 * is taken unasked and of which nothing is noted (off), by turns. Goal: at most 2 µs. Run: `node bench/upstream.ts`.
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
import { ConnectionCount } from '../src/proxy/http-target.ts';
import { NO_ALLOWANCES } from '../src/router/path-spelling.ts';
import { buildSnapshot, type Snapshot } from '../src/snapshot/snapshot.ts';
import { TargetState } from '../src/upstream/target-state.ts';
import type { Upstream } from '../src/upstream/upstream.ts';
import { UpstreamTarget } from '../src/upstream/upstream-target.ts';
import { machineNote } from './report.ts';
import { median } from './statistics.ts';

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
const log: Log = { debug() {}, info() {}, warn() {}, error() {} };
const metrics = createMetrics({ version: '0.0.0' });
const deadlines = new Deadlines(systemClock);
const kept = new KeptResources();
const rules = { allowEncoded: NO_ALLOWANCES, redirectToHttps: undefined };
const context = { clock: systemClock, accessLog: undefined };

/** Answers 200 at once. */
function nullTarget(name: string): Target {
  const ongoing = { cancel() {} };
  return {
    name,
    exchange(_, sink) {
      sink.head({ status: 200, reason: '', headers: HeaderList.from(), length: 0 });
      sink.end();
      return ongoing;
    },
  };
}

function makeTargets(count: number, weights: readonly number[]): UpstreamTarget[] {
  const settings = { failures: 5, ejectForMs: 30_000, healthyAfter: 2, unhealthyAfter: 3 };
  return Array.from({ length: count }, (_, i) => {
    const target = nullTarget(`10.0.0.${i}:80`);
    const meter = metrics.upstreamTarget('service', target.name);
    const state = new TargetState(settings, systemClock);
    return new UpstreamTarget({ target, meter, weight: weights[i % weights.length] as number, state });
  });
}

async function makeSnapshot(upstream: object): Promise<Snapshot> {
  const config = gatewaySchema([]).parse({
    listeners: [{ port: 0 }],
    upstreams: { service: { targets: ['http://127.0.0.1:1'], ...upstream } },
    routes: [{ id: 'all', path: '/orders/:id', upstream: 'service' }],
  });
  const keep: Services['keep'] = (key, create, close) => kept.hold(key, create, close);
  const services = { log, clock: systemClock, metrics, random: Math.random, configFolder: '.', keep };
  return buildSnapshot(config, 1, {
    services,
    clock: systemClock,
    log,
    metrics,
    deadlines,
    kept,
    budget: new BufferBudget(),
    policies: [],
    targetConnections: new ConnectionCount(),
  });
}

async function withUpstream(count: number, upstream: object, weights = [1]): Promise<Snapshot> {
  const snapshot = await makeSnapshot(upstream);
  snapshot.upstreams.get('service')?.setTargets(makeTargets(count, weights));
  return snapshot;
}

/** The same, but the target is taken unasked and nothing is noted. */
async function withoutUpstream(): Promise<Snapshot> {
  const snapshot = await makeSnapshot({});
  const [target] = makeTargets(1, [1]);
  const upstream = snapshot.upstreams.get('service') as Upstream;
  Object.assign(upstream, { pick: () => target, report() {}, release() {}, forget() {}, retries: undefined });
  return snapshot;
}

const HEAD = 'accept: application/json\r\nuser-agent: bench/1.0\r\n';

function makeRequest(i: number): ClientRequest {
  const marks: number[] = [];
  markField(marks, marks.length, HEAD, 0, 6, 8, 24);
  markField(marks, marks.length, HEAD, 26, 36, 38, 47);
  return {
    method: 'GET',
    target: '/orders/1',
    httpVersion: '1.1',
    authority: 'api.example.com',
    headers: HeaderList.received(HEAD, HEAD.length, marks),
    body: EMPTY_BODY,
    upgrade: undefined,
    acceptsTrailers: false,
    client: CLIENTS[i % CLIENTS.length] as ClientRequest['client'],
  };
}

const CLIENTS = Array.from({ length: 32 }, (_, i) => ({
  remoteAddress: `192.0.2.${i}`,
  remotePort: 40_000 + i,
  localPort: 8080,
  isSecure: false,
  serverName: undefined,
}));

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

for (let i = 0; i < 3; i++) for (const [, on] of cases) measure(on) + measure(off);
const rows = cases.map(([name, on]) => {
  const offNs: number[] = [];
  const onNs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const isOffFirst = round % 2 === 0;
    if (isOffFirst) offNs.push(measure(off));
    onNs.push(measure(on));
    if (!isOffFirst) offNs.push(measure(off));
  }
  const differences = onNs.map((ns, i) => ns - (offNs[i] as number));
  return { name, off: median(offNs), on: median(onNs), added: median(differences) };
});

const isMet = rows.every(({ added }) => added <= GOAL_NS);
const report = `## What choosing a target and keeping books adds to a request

| | off, ns | on, ns | added, ns |
| --- | --: | --: | --: |
${rows.map(({ name, off, on, added }) => `| ${name} | ${off.toFixed(0)} | ${on.toFixed(0)} | ${added.toFixed(0)} |`).join('\n')}

CPU time a request in one process, from the head to the end of the answer, without sockets. Medians of ${ROUNDS} rounds of ${REQUESTS.toLocaleString('en')}
requests, on and off by turns. Goal: at most ${GOAL_NS / 1000} µs: ${isMet ? 'met' : 'MISSED'}. ${machineNote().replace(/; proxy .*/, '.')}
`;
console.log(report);
if (options.write) {
  const results = path.join(import.meta.dirname, 'results');
  await mkdir(results, { recursive: true });
  await writeFile(path.join(results, 'upstream.md'), report);
}
process.exit(isMet ? 0 : 1);
