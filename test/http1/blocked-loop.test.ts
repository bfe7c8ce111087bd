import { describe, expect, it, onTestFinished } from 'vitest';
import { ClientConnection } from '../../src/http1/client/client-connection.ts';
import { Deadlines } from '../../src/http1/deadlines.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { poolFor } from '../support/pool.ts';
import { answering, startRaw } from '../support/raw-target.ts';
import { MemorySocket } from './memory-socket.ts';
import { CLIENT, LIMITS } from './serve-stream.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** Longer than any time limit here. */
const BLOCKED_MS = 60_000;

describe('right after the event loop was blocked for longer than a time limit', () => {
  it('a request has its whole time for a response', async () => {
    const raw = await startRaw();
    const { clock, send, target } = poolFor(raw.port);
    onTestFinished(async () => {
      target.close();
      await raw.close();
    });
    clock.block(BLOCKED_MS);
    const { outcome } = send({ responseTimeoutMs: 5000 });
    const connection = await raw.connection(0);
    await connection.takeHead();
    clock.advance(4900);
    connection.write(OK);
    expect(await outcome).toMatchObject({ isWhole: true, status: 200 });
  });

  it('and one on a connection that is there already times out when that time is over, not later', async () => {
    const raw = await startRaw();
    const { clock, send, target } = poolFor(raw.port, {
      times: { connectMs: 1, idleMs: 1, keepAliveMs: 1e9 },
    });
    onTestFinished(async () => {
      target.close();
      await raw.close();
    });
    const first = send();
    const connection = await raw.connection(0);
    await connection.takeHead();
    connection.write(OK);
    await first.outcome;
    clock.block(BLOCKED_MS);
    const { outcome } = send({ responseTimeoutMs: 5000 });
    await connection.takeHead();
    clock.advance(5300);
    expect((await outcome).error).toMatchObject({ code: 'GW_UPSTREAM_TIMEOUT' });
  });

  it('a connection that was idle for too long meanwhile is not used, as the target may have closed it', async () => {
    const raw = await startRaw(answering(OK));
    const { clock, send, target } = poolFor(raw.port);
    onTestFinished(async () => {
      target.close();
      await raw.close();
    });
    await send().outcome;
    clock.block(4200);
    await send({ method: 'POST' }).outcome;
    expect(raw.connections).toHaveLength(2);
  });

  it.each(['', 'GET / HT'])('a client that connects, and sends %j, has its whole time to go on', (sent) => {
    const clock = new StubClock();
    const socket = new MemorySocket({ isPlain: true });
    const deadlines = new Deadlines(clock);
    clock.block(BLOCKED_MS);
    const serve = {
      handler: () => {},
      limits: { ...LIMITS, headerTimeoutMs: 10_000 },
      deadlines,
      clock,
      reject: () => ({ status: 408 }),
    };
    const connection = new ClientConnection(socket.asSocket(), CLIENT, serve, () => {});
    if (sent !== '') connection.onBytes(Buffer.from(sent), sent.length);
    clock.advance(9900);
    expect(['idle', 'head']).toContain(connection.state.kind);
    clock.advance(300);
    expect(['idle', 'head']).not.toContain(connection.state.kind);
  });

  it('a client that stays connected has its whole time for a head that comes in pieces', () => {
    const clock = new StubClock();
    const socket = new MemorySocket({ isPlain: true });
    const serve = {
      handler: () => {},
      limits: { ...LIMITS, headerTimeoutMs: 10_000, keepAliveMs: 75_000 },
      deadlines: new Deadlines(clock),
      clock,
      reject: () => ({ status: 408 }),
    };
    const connection = new ClientConnection(socket.asSocket(), CLIENT, serve, () => {});
    clock.block(BLOCKED_MS);
    connection.onBytes(Buffer.from('GET / HT'), 8);
    clock.advance(9900);
    expect(connection.state.kind).toBe('head');
    clock.advance(300);
    expect(connection.state.kind).not.toBe('head');
  });
});
