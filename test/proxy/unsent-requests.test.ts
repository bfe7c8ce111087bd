import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { type BodySource, bodyFrom } from '../../src/core/body.ts';
import { HeaderList } from '../../src/core/header-list.ts';
import { UnsentBody } from '../../src/http1/target/unsent-body.ts';
import type { CollectingSink, Outcome } from '../support/collecting-sink.ts';
import { ManualBody, poolFor, type TestPool } from '../support/pool.ts';
import { answering, type RawConnection, type RawTarget, startRaw } from '../support/raw-target.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

interface Scene {
  readonly pool: TestPool;
  readonly raw: RawTarget;
  /** Ends the connection such that the request that is sent right behind finds it ended before a byte of it was written. */
  end(): Promise<RawConnection>;
}

/** A pool with one connection that was used once. */
async function used(): Promise<Scene> {
  const raw = await startRaw();
  const pool = poolFor(raw.port);
  onTestFinished(async () => {
    pool.target.close();
    await raw.close();
  });
  const first = pool.send();
  const connection = await raw.connection(0);
  await connection.takeHead();
  connection.write(OK);
  await first.outcome;
  return {
    pool,
    raw,
    async end() {
      // What is written from here on leaves at the end of the next turn, which begins with the end of the connection.
      await nextTurn();
      connection.socket.resetAndDestroy();
      return connection;
    },
  };
}

/** Expects that the request comes on another connection, whole, and answers it. */
async function expectOnAnother(raw: RawTarget, sent: CollectingSink, wanted: string): Promise<Outcome> {
  const other = await raw.connection(1);
  await other.until((received) => received.endsWith(wanted));
  expect(other.received.split('\r\n\r\n').slice(1).join('\r\n\r\n')).toBe(wanted);
  other.write(OK);
  return sent.outcome;
}

/** Gives the pieces, and then the end. */
function giving(...pieces: string[]) {
  return (body: ManualBody): void => {
    for (const piece of pieces) body.give(piece);
    body.end();
  };
}

const LARGE = 'x'.repeat(100_000);

it.each<[what: string, body: () => BodySource, give: (body: ManualBody) => void, wanted: string]>([
  ['of a stated length', () => new ManualBody(3), giving('buy'), 'buy'],
  ['in chunks', () => new ManualBody(), giving('buy', 'now'), '3\r\nbuy\r\n3\r\nnow\r\n0\r\n\r\n'],
  ['that is large', () => new ManualBody(LARGE.length), giving(LARGE), LARGE],
  ['that is at hand', () => bodyFrom('buy'), () => {}, 'buy'],
  ['that is at hand and large', () => bodyFrom(LARGE), () => {}, LARGE],
])('a POST with a body %s goes out once more where nothing of it was sent', async (_, make, give, wanted) => {
  const { pool, raw, end } = await used();
  const ended = await end();
  const body = make();
  const sent = pool.send({ method: 'POST', body });
  give(body as ManualBody);
  // The body as the other target takes it: in chunks, their sizes may differ.
  const outcome = await expectOnAnother(raw, sent, wanted.replace('3\r\nbuy\r\n3\r\nnow', '6\r\nbuynow'));
  expect(outcome).toMatchObject({ isWhole: true, body: 'ok' });
  expect(ended.received).toBe('');
});

it('the rest of a body that comes later follows on the other connection, trailers included', async () => {
  const { pool, raw, end } = await used();
  await end();
  const body = new ManualBody();
  const sent = pool.send({ method: 'POST', body, acceptsTrailers: true });
  body.give('first');
  const other = await raw.connection(1);
  await other.until((received) => received.endsWith('5\r\nfirst\r\n'));
  expect(body.resumed).toBe(1);
  body.give('second');
  body.end(HeaderList.from({ 'x-sum': '7' }));
  await other.until((received) => received.endsWith('5\r\nfirst\r\n6\r\nsecond\r\n0\r\nx-sum: 7\r\n\r\n'));
  other.write(OK);
  expect(await sent.outcome).toMatchObject({ isWhole: true });
});

it('what a source gives while there is no connection is kept, and it is told to pause', () => {
  const source = new ManualBody(9);
  const body = new UnsentBody(source, 'one', undefined);
  expect(body.write(Buffer.from('two'))).toBe(false);
  let taken = '';
  body.pipe({
    write: (chunk) => {
      taken += String(chunk);
      return taken !== 'onetwo';
    },
    end: () => {
      taken += ', whole';
    },
    abort() {},
  });
  expect([taken, source.resumed]).toEqual(['onetwo', 0]);
  body.resume();
  expect(source.resumed).toBe(1);
  body.write(Buffer.from('six'));
  body.end();
  expect(taken).toBe('onetwosix, whole');
});

it('a body that breaks on its way to the other connection is not taken for whole', async () => {
  const { pool, raw, end } = await used();
  await end();
  const body = new ManualBody();
  const sent = pool.send({ method: 'POST', body });
  body.give('first');
  body.abort(new Error('the client left'));
  expect((await sent.outcome).error).toBeDefined();
  for (const { received } of raw.connections) expect(received).not.toContain('0\r\n\r\n');
});

it('a POST of which something was sent does not go out once more', async () => {
  const { pool, raw } = await used();
  const body = new ManualBody(6);
  const sent = pool.send({ method: 'POST', body });
  body.give('buy');
  const [connection] = raw.connections;
  await connection?.until((received) => received.endsWith('buy'));
  connection?.socket.resetAndDestroy();
  expect((await sent.outcome).error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN' });
  expect(raw.connections).toHaveLength(1);
});

it('a target that refuses a connection is about to end: those that are idle are closed, not used for what cannot be repeated', async () => {
  const raw = await startRaw(answering(OK));
  const pool = poolFor(raw.port);
  onTestFinished(() => {
    for (const { socket } of raw.connections) socket.destroy();
  });
  await Promise.all([pool.send().outcome, pool.send().outcome]);
  expect(pool.target.idleConnections).toBe(2);
  raw.stopListening();
  // Two on those that there are, and one for which another is opened.
  const outcomes = await Promise.all([pool.send().outcome, pool.send().outcome, pool.send().outcome]);
  expect(outcomes.map(({ error }) => error?.code)).toEqual([undefined, undefined, 'GW_UPSTREAM_UNREACHABLE']);
  for (const connection of raw.connections) await connection.closed();
  expect(pool.target.idleConnections).toBe(0);
});
