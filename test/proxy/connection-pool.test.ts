import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { bodyFrom } from '../../src/core/body.ts';
import type { TargetConnection } from '../../src/http1/target/target-connection.ts';
import type { HttpTargetOptions } from '../../src/proxy/pool-options.ts';
import { fullBacklog } from '../support/full-backlog.ts';
import { reserveNobody } from '../support/loopback.ts';
import { ManualBody, poolFor, type TestPool } from '../support/pool.ts';
import { answering, type RawConnection, type RawTarget, startRaw } from '../support/raw-target.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function start(
  serve?: (connection: RawConnection) => unknown,
  options: Partial<HttpTargetOptions> = {},
): Promise<TestPool & { raw: RawTarget }> {
  const raw = await startRaw(serve);
  const pool = poolFor(raw.port, options);
  closers.push(() => raw.close());
  closers.push(() => pool.target.close());
  return { ...pool, raw };
}

describe('keep-alive', () => {
  it('sends one request after the other on the same connection', async () => {
    const { send, raw } = await start(answering(OK));
    for (let i = 0; i < 3; i++) expect(await send().outcome).toMatchObject({ body: 'ok', isWhole: true });
    expect(raw.connections).toHaveLength(1);
  });

  it('takes the connection that was used last', async () => {
    const { send, raw } = await start();
    const sinks = [send(), send()];
    const both = [await raw.connection(0), await raw.connection(1)];
    for (const connection of both) await connection.takeHead();
    both[1]?.write(OK);
    await sinks[1]?.outcome;
    both[0]?.write(OK);
    await sinks[0]?.outcome;
    void send({ path: '/again' });
    expect(await both[0]?.takeHead()).toContain('GET /again ');
  });

  it('closes a connection that was idle for 4 s', async () => {
    const { send, clock, raw, target } = await start(answering(OK));
    await send().outcome;
    clock.advance(3900);
    expect(target.openConnections).toBe(1);
    clock.advance(300);
    await raw.connections[0]?.closed();
    expect(target.openConnections).toBe(0);
  });

  it('keeps a connection for as long as the target says, less a second', async () => {
    const hint = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=10, max=100\r\n\r\nok';
    const { send, clock, raw } = await start(answering(hint));
    await send().outcome;
    clock.advance(8900);
    await send().outcome;
    expect(raw.connections).toHaveLength(1);
    clock.advance(9200);
    await raw.connections[0]?.closed();
  });

  it('closes a connection before the target does where the hint is short', async () => {
    const { send, clock, raw } = await start(
      answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=1\r\n\r\nok'),
    );
    await send().outcome;
    clock.advance(700);
    await raw.connections[0]?.closed();
  });

  it('uses no connection whose idle time is over, though its end has not been noticed yet', async () => {
    const { send, clock, raw } = await start(answering(OK));
    await send().outcome;
    clock.advance(4200);
    const outcome = await send({ method: 'POST', body: bodyFrom('once only') }).outcome;
    expect(outcome).toMatchObject({ isWhole: true, status: 200 });
    expect(raw.connections).toHaveLength(2);
  });

  it.each([
    ['Connection: close', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
  ])('opens a new connection after %s', async (_, answer) => {
    const { send, raw } = await start(answering(answer));
    for (let i = 0; i < 2; i++) expect(await send().outcome).toMatchObject({ body: 'ok', isWhole: true });
    expect(raw.connections).toHaveLength(2);
  });

  it('reuses an HTTP/1.0 connection where the target keeps it', async () => {
    const kept = 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok';
    const { send, raw } = await start(answering(kept));
    for (let i = 0; i < 2; i++) expect(await send().outcome).toMatchObject({ body: 'ok', isWhole: true });
    expect(raw.connections).toHaveLength(1);
  });

  it('gives the whole answer of a target that closes right behind it', async () => {
    const { send } = await start(async (connection) => {
      await connection.takeHead();
      connection.socket.end(OK);
    });
    for (let i = 0; i < 3; i++) expect(await send().outcome).toMatchObject({ body: 'ok', isWhole: true });
  });

  it('closes a connection on which bytes come that nobody asked for', async () => {
    const { send, raw } = await start(answering(OK));
    await send().outcome;
    raw.connections[0]?.write(OK);
    await raw.connections[0]?.closed();
    await send().outcome;
    expect(raw.connections).toHaveLength(2);
  });

  it('closes idle connections at once when the pool closes, and busy ones after their answer', async () => {
    const { send, raw, target } = await start();
    const [idle, busy] = [send(), send()];
    const [first, second] = [await raw.connection(0), await raw.connection(1)];
    await Promise.all([first.takeHead(), second.takeHead()]);
    first.write(OK);
    await idle.outcome;
    target.close();
    await first.closed();
    second.write(OK);
    expect(await busy.outcome).toMatchObject({ isWhole: true });
    await second.closed();
  });
});

describe('maxConnections', () => {
  it('bounds the connections, and lets the other requests wait their turn', async () => {
    const { send, raw } = await start(answering(OK), { maxConnections: 2 });
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => send().outcome));
    expect(outcomes.every(({ isWhole }) => isWhole)).toBe(true);
    expect(raw.connections).toHaveLength(2);
  });

  it('answers busy where too many wait already', async () => {
    const { send, raw } = await start(undefined, { maxConnections: 1, maxQueued: 1 });
    const first = send();
    await (await raw.connection(0)).takeHead();
    const second = send();
    expect((await send().outcome).error).toMatchObject({ code: 'GW_UPSTREAM_BUSY', status: 503 });
    raw.connections[0]?.write(OK);
    await first.outcome;
    await raw.connections[0]?.takeHead();
    raw.connections[0]?.write(OK);
    expect(await second.outcome).toMatchObject({ isWhole: true });
  });

  it('answers busy when no connection came free before the timeout', async () => {
    const { send, raw, clock } = await start(undefined, { maxConnections: 1 });
    void send();
    await (await raw.connection(0)).takeHead();
    const waiting = send();
    clock.advance(3300);
    expect((await waiting.outcome).error).toMatchObject({ code: 'GW_UPSTREAM_BUSY', status: 503 });
  });

  it('forgets who left while waiting', async () => {
    const { send, raw } = await start(undefined, { maxConnections: 1 });
    const first = send();
    const connection = await raw.connection(0);
    await connection.takeHead();
    send({ path: '/left' }).ongoing.cancel();
    const last = send({ path: '/last' });
    connection.write(OK);
    await first.outcome;
    expect(await connection.takeHead()).toContain('GET /last ');
    connection.write(OK);
    await last.outcome;
  });

  it('opens a new connection for who waits when a busy one dies', async () => {
    const { send, raw } = await start(undefined, { maxConnections: 1 });
    const first = send();
    await (await raw.connection(0)).takeHead();
    const second = send();
    raw.connections[0]?.socket.destroy();
    expect((await first.outcome).error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN' });
    await (await raw.connection(1)).takeHead();
    raw.connections[1]?.write(OK);
    expect(await second.outcome).toMatchObject({ isWhole: true });
  });

  it('lets who waits go on waiting when the pool is told that a connection ended which nobody had used', async () => {
    const { send, raw, target } = await start(answering(OK));
    const waiting = send();
    // That it ended is told late, so that it cannot be brought about by a socket at this very moment.
    target.onClosed({ uses: 0, lost: undefined } as TargetConnection, undefined);
    expect(await waiting.outcome).toMatchObject({ isWhole: true, body: 'ok' });
    expect(raw.connections).toHaveLength(1);
  });

  it('closes the connection of a client that left, and uses its place', async () => {
    const { send, raw } = await start(undefined, { maxConnections: 1 });
    const left = send();
    const connection = await raw.connection(0);
    await connection.takeHead();
    const next = send();
    left.ongoing.cancel();
    await connection.closed();
    await (await raw.connection(1)).takeHead();
    raw.connections[1]?.write(OK);
    expect(await next.outcome).toMatchObject({ isWhole: true });
    expect(left.lateCalls).toBe(0);
  });
});

describe('a reused connection that dies before a byte of the answer', () => {
  /** Answers the first request and drops the connection at the second. */
  async function dropping(connection: RawConnection): Promise<void> {
    await connection.takeHead();
    connection.write(OK);
    await connection.takeHead();
    connection.socket.destroy();
  }

  it('makes a GET go out once more, on a new connection', async () => {
    const { send, raw } = await start(dropping);
    await send().outcome;
    expect(await send().outcome).toMatchObject({ isWhole: true, body: 'ok' });
    expect(raw.connections).toHaveLength(2);
  });

  it('sends a PUT with a body that is at hand once more', async () => {
    const bodies: string[] = [];
    const { send } = await start(async (connection) => {
      await connection.takeHead();
      connection.write(OK);
      if (bodies.length > 0) return;
      bodies.push(await connection.takeHead());
      connection.socket.destroy();
    });
    await send().outcome;
    expect(await send({ method: 'PUT', body: bodyFrom('set') }).outcome).toMatchObject({ isWhole: true });
  });

  it.each([
    ['a POST', { method: 'POST', body: bodyFrom('buy') }],
    ['a PUT whose body cannot be had again', { method: 'PUT', body: new ManualBody(3) }],
  ])('answers 502 to %s', async (_, request) => {
    const { send, raw } = await start(dropping);
    await send().outcome;
    expect((await send(request).outcome).error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN', status: 502 });
    expect(raw.connections).toHaveLength(1);
  });

  it.each([
    ['a POST', { method: 'POST' }],
    ['a POST with a body that is at hand', { method: 'POST', body: bodyFrom('buy') }],
  ])('sends %s once more of which the system had been given nothing', async (_, request) => {
    const { send, raw } = await start();
    const first = send();
    const connection = await raw.connection(0);
    await connection.takeHead();
    connection.write(OK);
    await first.outcome;
    // What is written from here on leaves at the end of the next turn, which begins with the end of the connection.
    await nextTurn();
    connection.socket.destroy();
    const second = send(request);
    const other = await raw.connection(1);
    expect(await other.takeHead()).toMatch(/^POST /);
    other.write(OK);
    expect(await second.outcome).toMatchObject({ isWhole: true, body: 'ok' });
    expect(connection.received).toBe('');
  });

  it('tries once only', async () => {
    let requests = 0;
    const { send } = await start(async (connection) => {
      await connection.takeHead();
      if (requests++ === 0) {
        connection.write(OK);
        await connection.takeHead();
        requests++;
      }
      connection.socket.destroy();
    });
    await send().outcome;
    expect((await send().outcome).error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN' });
    expect(requests).toBe(3);
  });

  it('does not count for a first request: 502', async () => {
    const { send, raw } = await start(async (connection) => {
      await connection.takeHead();
      connection.socket.destroy();
    });
    expect((await send().outcome).error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN', status: 502 });
    expect(raw.connections).toHaveLength(1);
  });

  it('does not count once a byte has come: 502', async () => {
    const { send, raw } = await start(async (connection) => {
      await connection.takeHead();
      connection.write(OK);
      await connection.takeHead();
      connection.socket.end('H');
    });
    await send().outcome;
    expect((await send().outcome).error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN', status: 502 });
    expect(raw.connections).toHaveLength(1);
  });
});

describe('a target that cannot be reached', () => {
  it('is told at once where nothing listens', async () => {
    const { port } = await reserveNobody();
    const { send } = poolFor(port);
    const outcomes = await Promise.all([send().outcome, send().outcome, send().outcome]);
    for (const { error } of outcomes) {
      expect(error).toMatchObject({ code: 'GW_UPSTREAM_UNREACHABLE', status: 503 });
      expect(error?.cause).toMatchObject({ code: 'ECONNREFUSED' });
    }
  });

  it('is told after the time for connecting where nobody answers', async () => {
    const { port, close } = await fullBacklog();
    closers.push(close);
    const { send, clock } = poolFor(port);
    const waiting = send();
    clock.advance(3300);
    expect((await waiting.outcome).error).toMatchObject({ code: 'GW_UPSTREAM_UNREACHABLE', status: 503 });
  });
});
