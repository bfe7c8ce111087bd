import { gatewaySchema } from '../src/config/schema/schema.ts';
import { EMPTY_BODY } from '../src/core/body.ts';
import { BufferBudget } from '../src/core/buffer-budget.ts';
import { systemClock } from '../src/core/clock.ts';
import { HeaderList, markField } from '../src/core/header-list.ts';
import type { ClientRequest, ClientSink, Target } from '../src/core/message.ts';
import type { Log, Services } from '../src/core/services.ts';
import { SharedResources } from '../src/core/shared-resources.ts';
import type { LimitStore } from '../src/core/stores/limit-store.ts';
import { handleRequest } from '../src/gateway/request/handle-request.ts';
import { OpenReplies } from '../src/gateway/request/run-rest.ts';
import { Deadlines } from '../src/http1/deadlines.ts';
import type { AreaLog } from '../src/observability/log.ts';
import { createMetrics, type TargetRecorder } from '../src/observability/metrics.ts';
import { builtInPolicies } from '../src/policies/index.ts';
import { ConnectionCount } from '../src/proxy/pool-services.ts';
import { DEFAULT_SPELLING } from '../src/router/path-spelling.ts';
import { buildSnapshot, type Snapshot } from '../src/snapshot/snapshot.ts';
import { TargetState } from '../src/upstream/target-state.ts';
import { UpstreamTarget } from '../src/upstream/upstream-target.ts';
import { median } from './statistics.ts';

const CLIENTS = 1024;
const HEAD = 'accept: application/json\r\nuser-agent: bench/1.0\r\n';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
export const quietLog: AreaLog = { ...silent, of: () => silent };
export const metrics = createMetrics({ version: '0.0.0' });

const deadlines = new Deadlines(systemClock);
const kept = new SharedResources();
const rules = { spelling: DEFAULT_SPELLING, redirectToHttps: undefined };
const context = { clock: systemClock, log: quietLog, accessLog: undefined, detached: new OpenReplies() };

/** Answers 200 at once. */
export function nullTarget(name = '10.0.0.1:80'): Target {
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

/** Makes a target of an upstream, healthy, with the bookkeeping that `meter` does. */
export function makeTarget(target: Target, meter?: TargetRecorder, weight = 1): UpstreamTarget {
  const settings = { failures: 5, ejectForMs: 30_000, healthyAfter: 2, unhealthyAfter: 3 };
  const state = new TargetState(settings, systemClock);
  return new UpstreamTarget({ target, meter, weight, state });
}

const clients = Array.from({ length: CLIENTS }, (_, i) => ({
  remoteAddress: `192.0.${i >> 8}.${i & 255}`,
  remotePort: 40_000 + i,
  localPort: 8080,
  isSecure: false,
  serverName: undefined,
}));

/** What a Snapshot is made of beside its policies. */
interface SnapshotParts {
  readonly config?: object;
  readonly services?: Partial<Services>;
  readonly target?: Target;
}

/** Compiles a route with these policies, to a target that answers at once. */
export async function makeSnapshot(
  policies: readonly object[],
  limits: LimitStore | undefined,
  { config: more = {}, services: others = {}, target = nullTarget() }: SnapshotParts = {},
): Promise<Snapshot> {
  const config = gatewaySchema(builtInPolicies).parse({
    listeners: [{ port: 0 }],
    upstreams: { service: { targets: ['http://127.0.0.1:1'] } },
    routes: [{ id: 'all', path: '/orders/:id', upstream: 'service', policies }],
    ...more,
  });
  const keep: Services['keep'] = (key, create, close) => kept.hold(key, create, close);
  const clock = systemClock;
  const services: Services = {
    ...{ log: quietLog, clock, metrics, random: Math.random, configFolder: '.', keep },
    ...(limits && { limits }),
    ...others,
  };
  const snapshot = await buildSnapshot(config, 1, {
    services,
    clock,
    log: quietLog,
    metrics,
    deadlines,
    kept,
    budget: new BufferBudget(),
    policies: builtInPolicies,
    targetConnections: new ConnectionCount(),
    snapshots: { inUse: 0 },
  });
  snapshot.upstreams.get('service')?.setTargets([makeTarget(target)]);
  return snapshot;
}

/** Sends one request of one of many clients through a Snapshot. `onEnd` hears the status, maybe at once. */
export function sendRequest(
  snapshot: Snapshot,
  i: number,
  onEnd: (status: number) => void,
  request = makeRequest(i),
): void {
  handleRequest(request, new NullClient(onEnd), rules, snapshot, context);
}

/** Makes a request. `credential` is a head with one field more, by `headWith`. */
export function makeRequest(i: number, credential?: CredentialHead): ClientRequest {
  const marks: number[] = [];
  const head = credential?.head ?? HEAD;
  markField(marks, 0, head, 0, 6, 8, 24);
  markField(marks, 5, head, 26, 36, 38, 47);
  if (credential !== undefined) {
    const { valueStart } = credential;
    markField(marks, 10, head, HEAD.length, valueStart - 2, valueStart, head.length - 2);
  }
  return {
    method: 'GET',
    target: '/orders/1',
    httpVersion: '1.1',
    authority: 'api.example.com',
    headers: HeaderList.received(head, head.length, marks),
    body: EMPTY_BODY,
    upgrade: undefined,
    acceptsTrailers: false,
    client: clients[i % CLIENTS] as ClientRequest['client'],
  };
}

interface CredentialHead {
  readonly head: string;
  readonly valueStart: number;
}

/** Puts a field behind those of every request, as one flat string like one off a socket. */
export function headWith(name: string, value: string): CredentialHead {
  const head = Buffer.from(`${HEAD}${name}: ${value}\r\n`, 'latin1').toString('latin1');
  return { head, valueStart: HEAD.length + name.length + 2 };
}

/** What something adds to a request, in nanoseconds of CPU, the collector of garbage included. */
export interface Addition {
  readonly off: number;
  readonly on: number;
  readonly added: number;
}

/** Measures with it and without, by turns. All that is compared has to be warmed up before. */
export function measureAddition(on: Snapshot, off: Snapshot, rounds: number, requests: number): Addition {
  const offNs: number[] = [];
  const onNs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const isOffFirst = round % 2 === 0;
    if (isOffFirst) offNs.push(measureRequests(off, requests));
    onNs.push(measureRequests(on, requests));
    if (!isOffFirst) offNs.push(measureRequests(off, requests));
  }
  const added = median(onNs.map((ns, i) => ns - (offNs[i] as number)));
  return { off: median(offNs), on: median(onNs), added };
}

/** Sends requests that are answered at once. Returns nanoseconds of CPU a request. */
export function measureRequests(snapshot: Snapshot, requests: number): number {
  let answered = 0;
  const onEnd = (status: number): void => {
    if (status === 200) answered++;
  };
  const before = process.cpuUsage();
  for (let i = 0; i < requests; i++) sendRequest(snapshot, i, onEnd);
  const { user, system } = process.cpuUsage(before);
  if (answered !== requests) throw new Error(`${requests - answered} were not answered with 200 at once`);
  return ((user + system) * 1000) / requests;
}

/** The cells of a table: off, on and added. */
export function cellsOf({ off, on, added }: Addition): string {
  return [off, on, added].map((ns) => ns.toFixed(0)).join(' | ');
}

class NullClient implements ClientSink {
  onDrain: (() => void) | undefined = undefined;
  onClose: ((bytesSent: number) => void) | undefined = undefined;
  onFinish: ((bytesSent: number) => void) | undefined = undefined;
  private readonly onEnd: (status: number) => void;
  private status = 0;
  constructor(onEnd: (status: number) => void) {
    this.onEnd = onEnd;
  }
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
    this.onEnd(this.status);
  }
  abort(): void {
    this.onEnd(0);
  }
  switchProtocols(): void {}
}
