import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EMPTY_BODY } from '../../../src/core/body.ts';
import { HeaderList } from '../../../src/core/header-list.ts';
import type { ClientRequest, ClientSink, Tunnel } from '../../../src/core/message.ts';
import { ClientConnection } from '../../../src/http1/client/client-connection.ts';
import { Deadlines } from '../../../src/http1/deadlines.ts';
import { StubClock } from '../../observability/stub-clock.ts';
import { until } from '../../support/until.ts';
import { MemorySocket } from '../memory-socket.ts';
import { CLIENT, LIMITS } from '../serve-stream.ts';

type Kind = ClientConnection['state']['kind'];
const KINDS = [
  'idle',
  'head',
  'exchange',
  'probing',
  'discarding',
  'tunnel',
  'lingering',
  'closed',
] as const satisfies Kind[];

const HEAD_START = 'GET /x';
const HEAD_REST = ' HTTP/1.1\r\nHost: a\r\n\r\n';
const GET = HEAD_START + HEAD_REST;
const CLOSING_GET = GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n');
/** All but the last bytes of a request with a body. */
const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc';
const POST_REST = 'def';

/** A connection in one state, with what its handler was given last. */
interface Bench {
  readonly connection: ClientConnection;
  readonly socket: MemorySocket;
  readonly clock: StubClock;
  request: ClientRequest | undefined;
  sink: ClientSink | undefined;
}

function connected(): Bench {
  tellOfWaiting(0);
  const clock = new StubClock();
  const socket = new MemorySocket({ isPlain: true });
  const serve = {
    handler: (request: ClientRequest, sink: ClientSink) => Object.assign(bench, { request, sink }),
    limits: LIMITS,
    deadlines: new Deadlines(clock),
    clock,
    reject: () => ({ status: 400 }),
  };
  const connection = new ClientConnection(socket.asSocket(), CLIENT, serve, () => {});
  const bench: Bench = { connection, socket, clock, request: undefined, sink: undefined };
  return bench;
}

function send({ connection }: Bench, text: string): void {
  connection.onBytes(Buffer.from(text), text.length);
}

/** Resolves with the state that the connection is in once it has heard of the end. */
function sendEnd({ connection, socket }: Bench): Promise<Kind> {
  return new Promise<Kind>((resolve) => {
    socket.once('end', () => resolve(connection.state.kind));
    socket.push(null);
  });
}

function answer({ sink }: Bench): void {
  sink?.head({ status: 200, reason: '', headers: HeaderList.from(), length: 2 });
  sink?.write(Buffer.from('ok'));
  sink?.end();
}

function takeBody({ request }: Bench): void {
  request?.body.pipe({ write: () => true, end() {}, abort() {} });
}

function joinTunnel({ sink }: Bench): void {
  const tunnel: Tunnel = {
    ...EMPTY_BODY,
    pipe() {},
    onDrain: undefined,
    write: () => true,
    end() {},
    abort() {},
  };
  sink?.switchProtocols({ status: 101, reason: '', headers: HeaderList.from(), length: undefined }, tunnel);
}

/** From now on the system takes nothing that is written. */
function blockWrites({ socket }: Bench): void {
  Object.assign(socket._handle as object, {
    writeLatin1String: keepWaiting,
    writeBuffer: keepWaiting,
    writeQueueSize: 5,
  });
}

/** What a handle's write does when the system has no room. */
function keepWaiting(): number {
  tellOfWaiting(1);
  return 0;
}

/** Says whether the last write waits, which Node keeps in one place for all handles. */
function tellOfWaiting(value: 0 | 1): void {
  const { binding } = process as unknown as { binding(name: string): Record<string, unknown> };
  const { streamBaseState, kLastWriteWasAsync } = binding('stream_wrap');
  (streamBaseState as Int32Array)[kLastWriteWasAsync as number] = value;
}

/** Brings a new connection into each state: with `request` where there is one under way. */
const reach: Record<Kind, (request?: string) => Bench | Promise<Bench>> = {
  idle: connected,
  head() {
    const bench = connected();
    send(bench, HEAD_START);
    return bench;
  },
  exchange(request = GET) {
    const bench = connected();
    send(bench, request);
    takeBody(bench);
    return bench;
  },
  async probing() {
    const bench = await reach.exchange();
    await sendEnd(bench);
    return bench;
  },
  async discarding() {
    const bench = await reach.exchange(POST);
    answer(bench);
    return bench;
  },
  async tunnel() {
    const bench = await reach.exchange(GET);
    joinTunnel(bench);
    return bench;
  },
  async lingering() {
    const bench = await reach.exchange(CLOSING_GET);
    answer(bench);
    return bench;
  },
  async closed() {
    const bench = connected();
    bench.connection.destroy();
    await until(() => bench.connection.state.kind === 'closed');
    return bench;
  },
};

/** One way in which an event comes about: to a connection with `request` under way, where it matters which. */
interface Way {
  readonly request?: string;
  readonly happen: (bench: Bench) => unknown;
}

/** What brings each event about, in one way for each state that may follow. */
const ways: Record<string, (state: Kind) => Way[]> = {
  piece: () => [{ happen: (bench) => send(bench, 'GET') }],
  head: (state) => [{ happen: (bench) => send(bench, state === 'head' ? HEAD_REST : GET) }],
  fault: () => [{ happen: (bench) => send(bench, '\0\r\n\r\n') }],
  body: (state) => [
    { request: POST, happen: (bench) => send(bench, POST_REST) },
    ...(state === 'discarding' ? [{ happen: lastBodyOfAll }] : []),
  ],
  response: (state) =>
    state === 'probing'
      ? [{ happen: answer }, { happen: answerLate }]
      : [GET, POST, CLOSING_GET].map((request) => ({ request, happen: answer })),
  101: () => [{ happen: joinTunnel }],
  FIN: (state) => [
    { happen: sendEnd },
    ...(state === 'exchange' ? [{ request: POST, happen: sendEnd }] : []),
    ...(state === 'head' ? [{ happen: endLate }] : []),
  ],
  time: (state) => [
    { happen: ({ clock }) => clock.advance(state === 'discarding' ? 1500 : 100_000) },
    ...(state === 'discarding' ? [{ happen: waitLong }] : []),
    ...(state === 'tunnel' ? [{ happen: waitForTarget }] : []),
  ],
  'drain()': () => [{ happen: ({ connection }) => connection.drain() }],
  loss: () => [{ happen: ({ socket }) => socket.destroy() }],
};

function lastBodyOfAll(bench: Bench): void {
  bench.connection.drain();
  send(bench, POST_REST);
}

/** The answer waits for the client. */
function answerLate(bench: Bench): void {
  blockWrites(bench);
  answer(bench);
}

function endLate(bench: Bench): Promise<Kind> {
  blockWrites(bench);
  return sendEnd(bench);
}

/** What was to come from the client does not come. */
function waitLong({ clock }: Bench): void {
  for (let second = 0; second < 40; second++) clock.advance(1000);
}

/** After the client has said all, the target says nothing. */
async function waitForTarget(bench: Bench): Promise<void> {
  await sendEnd(bench);
  waitLong(bench);
  await until(() => bench.connection.state.kind === 'closed');
}

/** Lets an event happen, and returns the state that it leads to, which is one of `next`. */
async function stateAfter(bench: Bench, happen: Way['happen'], next: readonly string[]): Promise<Kind> {
  const outcome = happen(bench);
  const kind = outcome instanceof Promise ? ((await outcome) as Kind | undefined) : undefined;
  const here = kind ?? bench.connection.state.kind;
  if (next.includes(here)) return here;
  await until(() => next.includes(bench.connection.state.kind));
  return bench.connection.state.kind;
}

/** Reads the table of states and events out of the comment of the class. */
function readTable(): { state: Kind; event: string; next: string[] }[] {
  const file = new URL('../../../src/http1/client/client-connection.ts', import.meta.url);
  const rows = readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const cells = /^ \* \|(.*)\|$/.exec(line)?.[1]?.split('|');
      return cells === undefined || line.includes('---') ? [] : [cells.map((cell) => cell.trim())];
    });
  const [[, ...events] = [], ...lines] = rows;
  return lines.flatMap(([state, ...cells]) =>
    events.map((event, i) => ({
      state: state as Kind,
      event,
      next: (cells[i] ?? '').split(' ').filter(Boolean),
    })),
  );
}

describe('the table of states and events of a client connection', () => {
  const table = readTable();

  it('has all states, and events that this test can bring about', () => {
    expect([...new Set(table.map(({ state }) => state))]).toEqual(KINDS);
    expect([...new Set(table.map(({ event }) => event))].sort()).toEqual(Object.keys(ways).sort());
  });

  it.each(table.filter(({ next }) => next.length > 0))(
    'from $state by $event to $next',
    async ({ state, event, next }) => {
      const seen = new Set<string>();
      for (const { request, happen } of ways[event]?.(state) ?? []) {
        const bench = await reach[state](request);
        expect(bench.connection.state.kind).toBe(state);
        seen.add(await stateAfter(bench, happen, next));
      }
      expect([...seen].sort()).toEqual([...next].sort());
    },
  );

  it.each(table.filter(({ event, next }) => next.length === 0 && event === 'time'))(
    'from $state nowhere by $event',
    async ({ state, event }) => {
      const bench = await reach[state]();
      for (const { happen } of ways[event]?.(state) ?? []) happen(bench);
      expect(bench.connection.state.kind).toBe(state);
    },
  );

  it.each(['exchange', 'tunnel'] as const)(
    'breaks the connection where a client takes nothing of an answer: %s',
    async (state) => {
      const bench = await reach[state]();
      blockWrites(bench);
      bench.connection.sendBoth('', Buffer.alloc(100_000));
      for (let second = 0; second < 58; second++) bench.clock.advance(1000);
      expect(bench.socket.wasReset).toBe(false);
      for (let second = 0; second < 6; second++) bench.clock.advance(1000);
      expect(bench.socket.wasReset).toBe(true);
    },
  );
});
