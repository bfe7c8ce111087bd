import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { Deadlines } from '../../../src/http1/deadlines.ts';
import type { Link } from '../../../src/http1/link.ts';
import { Dial } from '../../../src/http1/target/dial.ts';
import { systemLookup } from '../../../src/http1/target/lookup.ts';
import type { Attempt } from '../../../src/http1/target/target-attempt.ts';
import { TargetConnection } from '../../../src/http1/target/target-connection.ts';
import { StubClock } from '../../observability/stub-clock.ts';
import { CollectingSink } from '../../support/collecting-sink.ts';
import { LOOPBACK } from '../../support/loopback.ts';
import { requestFor } from '../../support/pool.ts';
import { type RawConnection, startRaw } from '../../support/raw-target.ts';
import { until } from '../../support/until.ts';

type Kind = TargetConnection['state']['kind'];
const KINDS = ['idle', 'resting', 'exchange', 'tunnel', 'closed'] as const satisfies Kind[];
const TUNNEL = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A connection in one state, and both of its ends. */
interface Bench {
  readonly connection: TargetConnection;
  readonly raw: RawConnection;
  readonly clock: StubClock;
  readonly attempt: Attempt;
  isClosed: boolean;
}

async function connected(): Promise<Bench> {
  const target = await startRaw();
  const clock = new StubClock();
  const deadlines = new Deadlines(clock);
  const times = { connectMs: 1000, idleMs: 1000, keepAliveMs: 1000 };
  const place = { kind: 'tcp', host: LOOPBACK, port: target.port } as const;
  const link = await new Promise<Link>((resolve, reject) =>
    new Dial(
      { place, tls: undefined, connectMs: 1000, lookup: systemLookup },
      { onLink: (_, made) => resolve(made), onDialFailed: (_, error) => reject(error) },
      deadlines,
    ).start(),
  );
  const owner = {
    onIdle() {},
    onReserved() {},
    onResting() {},
    onDetached() {},
    onClosed: () => {
      bench.isClosed = true;
    },
  };
  const life = { endsAt: Number.POSITIVE_INFINITY, maxUses: 100 };
  const bench: Bench = {
    connection: new TargetConnection(link, owner, times, life, deadlines),
    raw: await target.connection(0),
    clock,
    attempt: attemptFor('GET'),
    isClosed: false,
  };
  bench.connection.start();
  closers.push(() => bench.connection.close());
  closers.push(() => target.close());
  return bench;
}

function attemptFor(method: string): Attempt {
  const request = requestFor({ method, upgrade: 'websocket', responseTimeoutMs: 1000 });
  return {
    request,
    body: request.body,
    sink: new CollectingSink(),
    hasReceived: false,
    makeRoom: () => false,
  };
}

/** Brings a new connection into each state. */
const reach: Record<Kind, () => Promise<Bench>> = {
  idle: connected,
  async resting() {
    const bench = await connected();
    const attempt = attemptFor('HEAD');
    bench.connection.send(attempt);
    await bench.raw.takeHead();
    bench.raw.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n');
    await (attempt.sink as CollectingSink).outcome;
    return bench;
  },
  async exchange() {
    const bench = await connected();
    bench.connection.send(bench.attempt);
    await bench.raw.takeHead();
    return bench;
  },
  async tunnel() {
    const bench = await reach.exchange();
    bench.raw.write(TUNNEL);
    await until(() => bench.connection.state.kind === 'tunnel');
    return bench;
  },
  async closed() {
    const bench = await connected();
    bench.connection.close();
    return bench;
  },
};

/** What brings each event about, one way for each state that may follow. Each ends when the event has had its effect. */
const cause: Record<string, ((bench: Bench) => unknown)[]> = {
  request: [({ connection, attempt }) => connection.send(attempt)],
  bytes: [
    async ({ connection, raw }) => {
      raw.write('HTTP/1.1 103 Early Hints\r\n\r\n');
      await until(() => isIn(connection, ['closed', 'tunnel']) || isInterimHere(connection));
    },
  ],
  'whole response': [
    (bench) => answerWith(bench, OK),
    (bench) => answerWith(bench, 'HTTP/1.1 204 No Content\r\n\r\n'),
    (bench) => answerWith(bench, OK.replace('\r\n', '\r\nConnection: close\r\n')),
  ],
  101: [
    async ({ connection, raw }) => {
      raw.write(TUNNEL);
      await until(() => connection.state.kind !== 'exchange');
    },
  ],
  FIN: [
    async (bench) => {
      const tunnel = bench.connection.state.kind === 'tunnel' ? bench.connection.state.tunnel : undefined;
      const ended = new Promise<void>((end) =>
        tunnel?.pipe({ write: () => true, end: () => end(), abort: () => end() }),
      );
      bench.raw.socket.end();
      await (tunnel === undefined ? until(() => bench.isClosed) : ended);
    },
  ],
  loss: [
    async (bench) => {
      bench.raw.socket.resetAndDestroy();
      await until(() => bench.isClosed);
    },
  ],
  time: [
    async ({ clock, connection, raw, attempt }) => {
      // Who asked takes no more for now, so that it is not the target that is late.
      const sink = attempt.sink as CollectingSink;
      sink.isSlow = true;
      if (connection.state.kind === 'exchange')
        raw.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhello');
      if (connection.state.kind === 'exchange') await until(() => sink.received !== '');
      clock.advance(5000);
    },
    async ({ clock, connection, raw }) => {
      const { state } = connection;
      if (state.kind !== 'tunnel') return clock.advance(5000);
      // The target takes nothing of it.
      raw.socket.pause();
      while (state.tunnel.write(Buffer.alloc(64 * 1024))) {}
      await until(() => {
        clock.advance(1000);
        return connection.state.kind === 'closed';
      });
    },
  ],
  leave: [({ connection }) => connection.close()],
};

async function answerWith({ connection, raw, attempt }: Bench, answer: string): Promise<void> {
  raw.write(answer);
  await (attempt.sink as CollectingSink).outcome;
  if (connection.state.kind === 'exchange') throw new Error('the answer is over, and the exchange is not');
}

function isIn({ state }: TargetConnection, kinds: readonly Kind[]): boolean {
  return kinds.includes(state.kind);
}

function isInterimHere({ state }: TargetConnection): boolean {
  return state.kind === 'exchange' && state.attempt.hasReceived;
}

/** Reads the table of states and events out of the comment of the class. */
function readTable(): { state: Kind; event: string; next: string[] }[] {
  const source = readFileSync(
    new URL('../../../src/http1/target/target-connection.ts', import.meta.url),
    'utf8',
  );
  const rows = source.split('\n').flatMap((line) => {
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

describe('the table of states and events of a connection to a target', () => {
  const table = readTable();

  it('has all states, and events that this test can bring about', () => {
    expect([...new Set(table.map(({ state }) => state))]).toEqual(KINDS);
    expect([...new Set(table.map(({ event }) => event))]).toEqual(expect.arrayContaining(Object.keys(cause)));
  });

  it.each(table.filter(({ next }) => next.length > 0))(
    'from $state by $event to $next',
    async ({ state, event, next }) => {
      const seen = new Set<string>();
      for (const happen of cause[event] ?? []) {
        const bench = await reach[state]();
        expect(bench.connection.state.kind).toBe(state);
        await happen(bench);
        await until(() => next.includes(bench.connection.state.kind));
        seen.add(bench.connection.state.kind);
      }
      for (const kind of next) expect(seen).toContain(kind);
    },
  );

  it.each(table.filter(({ event, next }) => next.length === 0 && event === 'time'))(
    'from $state nowhere by $event',
    async ({ state }) => {
      const bench = await reach[state]();
      bench.clock.advance(100_000);
      expect(bench.connection.state.kind).toBe(state);
    },
  );
});
