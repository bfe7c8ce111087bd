/**
 * The clients of bench/chaos.ts, a process of its own: `node bench/chaos/client.ts PLACE`, which is JSON. The message
 * `stop` ends all when what is under way has come to its end, and is answered with what they saw.
 */
import { Agent } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import {
  echo,
  get,
  getSecurely,
  type Operation,
  type Place,
  post,
  type Trace,
  takeEvents,
  upload,
} from './operations.ts';

/** Something that did not come as it should. */
export interface Failure extends Trace {
  readonly kind: string;
  readonly id: string;
  readonly reason: string;
  /** In milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
}

/** What clients saw. */
export interface ClientResult {
  /** How many operations there were, by kind. */
  readonly counts: Readonly<Record<string, number>>;
  readonly failures: readonly Failure[];
}

/** What is asked, and of which parts of the subject. */
export interface ClientPlace extends Place {
  /** Whether there are routes `/limited` and `/named` as well. */
  readonly hasMore: boolean;
}

const place = JSON.parse(process.argv[2] as string) as ClientPlace;
const agent = new Agent({ keepAlive: true });
const counts: Record<string, number> = {};
const failures: Failure[] = [];
let isStopping = false;
let lastId = 0;

/** Has `count` clients do one after the other, with `pauseMs` in between. */
function keepDoing(
  kind: string,
  count: number,
  pauseMs: number,
  prefix: string,
  operation: Operation,
): Promise<void>[] {
  counts[kind] = 0;
  return Array.from({ length: count }, async () => {
    while (!isStopping) {
      await once(kind, `${prefix}/${kind.replaceAll(/\W+/g, '-')}-${++lastId}`, operation);
      await wait(pauseMs);
    }
  });
}

async function once(kind: string, path: string, operation: Operation): Promise<void> {
  counts[kind] = (counts[kind] ?? 0) + 1;
  const trace: Trace = {};
  const from = Date.now();
  try {
    await operation(place, path, trace);
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    const id = path.slice(path.lastIndexOf('/') + 1);
    failures.push({ kind, id, reason: code ?? message, from, to: Date.now(), ...trace });
  }
}

const clients = [
  ...keepDoing('GET', 6, 12, '/id', get(agent)),
  ...keepDoing('GET, new connection', 4, 15, '/id', get(false)),
  ...keepDoing('POST', 3, 15, '/id', post(agent)),
  ...keepDoing('POST, new connection', 2, 20, '/id', post(false)),
  ...keepDoing('upload', 3, 30, '/id', upload),
  ...keepDoing('SSE', 4, 20, '/events', takeEvents),
  ...keepDoing('WebSocket', 6, 20, '/socket', echo),
  ...(place.securePort === undefined ? [] : keepDoing('GET, TLS', 2, 30, '/id', getSecurely)),
  ...(place.hasMore ? keepDoing('GET, limited', 2, 20, '/limited', get(agent)) : []),
  ...(place.hasMore ? keepDoing('GET, by name', 2, 20, '/named', get(agent)) : []),
];

process.once('message', async () => {
  isStopping = true;
  await Promise.all(clients);
  agent.destroy();
  const result: ClientResult = { counts, failures };
  process.send?.(result, () => process.exit());
});
process.once('disconnect', () => process.exit());
