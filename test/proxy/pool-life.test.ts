import { afterEach, describe, expect, it } from 'vitest';
import type { HttpTargetOptions } from '../../src/proxy/pool-options.ts';
import type { PoolServices } from '../../src/proxy/pool-services.ts';
import { poolFor, type TestPool } from '../support/pool.ts';
import { answering, type RawConnection, type RawTarget, startRaw } from '../support/raw-target.ts';
import { until } from '../support/until.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function start(
  options: Partial<HttpTargetOptions>,
  serve: (connection: RawConnection) => unknown = answering(OK),
  services: Partial<PoolServices> = {},
): Promise<TestPool & { raw: RawTarget }> {
  const raw = await startRaw(serve);
  const pool = poolFor(raw.port, options, services);
  closers.push(() => raw.close());
  closers.push(() => pool.target.close());
  return { ...pool, raw };
}

describe('the greatest age of a connection', () => {
  it('ends it under steady traffic, so that another address behind the name is found', async () => {
    const { send, raw, clock } = await start({ maxAgeMs: 10_000 });
    for (let at = 0; at < 30_000; at += 500) {
      expect(await send().outcome).toMatchObject({ body: 'ok' });
      clock.advance(500);
    }
    expect(raw.connections.length).toBeGreaterThanOrEqual(3);
    expect(raw.connections.length).toBeLessThanOrEqual(4);
    await raw.connections[0]?.closed();
  });

  it('lets the answer under way come to its end', async () => {
    const { send, raw, clock } = await start({ maxAgeMs: 10_000 }, () => {});
    const sent = send();
    const connection = await raw.connection(0);
    await connection.takeHead();
    clock.advance(12_000);
    connection.write(OK);
    expect(await sent.outcome).toMatchObject({ body: 'ok', isWhole: true });
    await connection.closed();
  });

  it.each([0, 0.999])('is up to a tenth less for each (random %d)', async (random) => {
    const { send, raw, clock } = await start({ maxAgeMs: 100_000 }, undefined, { random: () => random });
    const keepBusy = async (ms: number): Promise<void> => {
      for (let at = 0; at < ms; at += 1000) {
        await send().outcome;
        clock.advance(1000);
      }
    };
    await keepBusy(90_000);
    expect(raw.connections).toHaveLength(1);
    await keepBusy(8000);
    expect(raw.connections).toHaveLength(random === 0 ? 1 : 2);
  });

  it('has no end where it is 0', async () => {
    const { send, raw, clock } = await start({ maxAgeMs: 0 });
    for (let i = 0; i < 30; i++) {
      await send().outcome;
      clock.advance(3_600_000 / 30);
      // Idle limits are others' business.
      await send().outcome;
    }
    expect(raw.connections.length).toBeGreaterThan(0);
  });
});

describe('the greatest number of uses', () => {
  it('ends a connection behind that many answers', async () => {
    const { send, raw } = await start({ maxUses: 3 }, undefined, { random: () => 0 });
    for (let i = 0; i < 7; i++) await send().outcome;
    expect(raw.connections).toHaveLength(3);
    await raw.connections[0]?.closed();
  });

  it('has no end where it is 0', async () => {
    const { send, raw } = await start({ maxUses: 0 });
    for (let i = 0; i < 50; i++) await send().outcome;
    expect(raw.connections).toHaveLength(1);
  });
});

describe('connections kept open for the next requests', () => {
  it('are there before the first request, and are used by it', async () => {
    const { send, raw, target } = await start({ minIdle: 3 });
    await until(() => raw.connections.length === 3);
    await until(() => target.idleConnections === 3);
    await send().outcome;
    expect(raw.connections).toHaveLength(3);
  });

  it('are opened anew when they end', async () => {
    const { raw, target, clock } = await start({ minIdle: 2 });
    await until(() => target.idleConnections === 2);
    raw.connections[0]?.socket.destroy();
    await until(() => raw.connections.length === 3 && target.idleConnections === 2);
    clock.advance(4300);
    await until(() => raw.connections.length === 5 && target.idleConnections === 2);
  });

  it('do not go beyond the greatest number of connections', async () => {
    const { target } = await start({ minIdle: 5, maxConnections: 2 });
    await until(() => target.idleConnections === 2);
    expect(target.openConnections).toBe(2);
  });

  it('are not asked for again and again at a target that is away', async () => {
    const raw = await startRaw();
    await raw.close();
    const { target, clock } = poolFor(raw.port, { minIdle: 2 });
    await until(() => target.openConnections === 0);
    expect(target.openConnections).toBe(0);
    clock.advance(1200);
    expect(target.openConnections).toBe(2);
    target.close();
    await until(() => target.openConnections === 0);
    clock.advance(5000);
    expect(target.openConnections).toBe(0);
  });
});

describe('tunnels and event streams', () => {
  const TUNNEL = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  const EVENTS = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n';

  it.each([
    ['tunnels', TUNNEL],
    ['event streams in chunks', `${EVENTS}Transfer-Encoding: chunked\r\n\r\n3\r\na\n\n\r\n`],
    ['event streams that end with their connection', `${EVENTS}\r\ndata: a\n\n`],
  ])('take no place in the pool (%s)', async (_, answer) => {
    const serve = answering((head) => (head.includes('GET /live') ? answer : OK));
    const { send, target } = await start({ maxConnections: 2, maxQueued: 8 }, serve);
    const streams = Array.from({ length: 6 }, () => send({ path: '/live', upgrade: 'websocket' }));
    for (const stream of streams) await stream.headed;
    expect(await send().outcome).toMatchObject({ body: 'ok', isWhole: true });
    expect(target.openConnections).toBe(7);
    for (const stream of streams) {
      stream.ongoing.cancel();
      stream.tunnel?.cancel();
    }
    await until(() => target.openConnections === 1);
  });

  it('give way to who waits as soon as they begin', async () => {
    const { send, raw } = await start({ maxConnections: 1 }, () => {});
    const stream = send({ upgrade: 'websocket' });
    const first = await raw.connection(0);
    await first.takeHead();
    const next = send();
    first.write(TUNNEL);
    await stream.headed;
    const second = await raw.connection(1);
    await second.takeHead();
    second.write(OK);
    expect(await next.outcome).toMatchObject({ body: 'ok' });
  });

  it('of events are not used for another request when they end', async () => {
    const { send, raw } = await start(
      { maxConnections: 2 },
      answering(`${EVENTS}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
    );
    for (let i = 0; i < 3; i++) expect(await send().outcome).toMatchObject({ status: 200, isWhole: true });
    expect(raw.connections).toHaveLength(3);
  });
});
