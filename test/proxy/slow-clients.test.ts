import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { BodySink, BodySource } from '../../src/core/body.ts';
import { BufferBudget } from '../../src/core/buffer-budget.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { HttpTargetOptions } from '../../src/proxy/pool-options.ts';
import { poolFor, type TestPool } from '../support/pool.ts';
import { answering, type RawConnection, type RawTarget, startRaw } from '../support/raw-target.ts';
import { until } from '../support/until.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface Started extends TestPool {
  readonly raw: RawTarget;
  readonly budget: BufferBudget;
}

async function start(
  options: Partial<HttpTargetOptions>,
  serve?: (connection: RawConnection) => unknown,
  budget = new BufferBudget(),
): Promise<Started> {
  const raw = await startRaw(serve);
  const pool = poolFor(raw.port, options, { budget });
  closers.push(() => raw.close());
  closers.push(() => pool.target.close());
  return { ...pool, raw, budget };
}

/** A body that a client sends piece by piece, as its connection gives it. */
class ClientBody implements BodySource {
  readonly isBuffered = false;
  readonly length: number | undefined;
  isPaused = false;
  isCancelled = false;
  private sink: BodySink | undefined = undefined;

  constructor(length?: number) {
    this.length = length;
  }

  pipe(sink: BodySink): void {
    this.sink = sink;
  }

  resume(): void {
    this.isPaused = false;
  }

  cancel(): void {
    this.isCancelled = true;
    this.sink = undefined;
  }

  give(text: string): void {
    if (this.isPaused) throw new Error('the client was asked to wait');
    if (this.sink?.write(Buffer.from(text)) === false) this.isPaused = true;
  }

  end(): void {
    this.sink?.end();
  }

  abort(error: Error): void {
    this.sink?.abort(error);
  }
}

const upload = (body: BodySource) => ({ method: 'POST', body });

describe('a client that sends its body slowly', () => {
  it('takes no connection until all of it is here', async () => {
    const { send, target, raw, clock, budget } = await start({ maxConnections: 1 });
    const body = new ClientBody(6);
    const sink = send(upload(body));
    for (const piece of ['ab', 'cd', 'ef']) {
      body.give(piece);
      clock.advance(1000);
      expect(target.openConnections).toBe(0);
    }
    expect(budget.used).toBe(6);
    body.end();
    const connection = await raw.connection(0);
    await connection.until((received) => received.endsWith('\r\n\r\nabcdef'));
    expect(budget.used).toBe(0);
    connection.write(OK);
    expect(await sink.outcome).toMatchObject({ body: 'ok', isWhole: true });
  });

  it('takes none until the first 64 KiB are here, and sends the rest as it comes', async () => {
    const { send, target, raw, clock, budget } = await start({ maxConnections: 1 });
    const body = new ClientBody();
    const sink = send(upload(body));
    const piece = 'x'.repeat(16 * 1024);
    for (let i = 0; i < 4; i++) {
      clock.advance(1000);
      expect(target.openConnections).toBe(0);
      body.give(piece);
    }
    const connection = await raw.connection(0);
    await connection.until((received) => received.length > 64 * 1024);
    await until(() => !body.isPaused);
    body.give('last');
    body.end();
    await connection.until((received) => received.endsWith('4\r\nlast\r\n0\r\n\r\n'));
    connection.write(OK);
    expect(await sink.outcome).toMatchObject({ body: 'ok', isWhole: true });
    expect(budget.used).toBe(0);
  });

  it('leaves all connections to the others, however many of them there are', async () => {
    const { send } = await start({ maxConnections: 4 }, answering(OK));
    const slow = Array.from({ length: 50 }, () => new ClientBody(1000));
    for (const body of slow) send(upload(body));
    for (const body of slow) body.give('x');
    for (let i = 0; i < 10; i++) expect(await send().outcome).toMatchObject({ body: 'ok' });
  });

  it('gets a connection after a pause where there are plenty, so that it may wait for an answer', async () => {
    const { send, raw, clock } = await start({ maxConnections: 4 });
    const bodies = Array.from({ length: 6 }, () => new ClientBody());
    for (const body of bodies) {
      send(upload(body));
      body.give('hello');
    }
    clock.advance(300);
    await raw.connection(1);
    clock.advance(300);
    // Half of the connections stay free for those that need them for short.
    expect(raw.connections).toHaveLength(2);
  });

  it('gives up its place when it leaves or breaks', async () => {
    const { send, target, budget, clock } = await start({ maxConnections: 1 });
    const [left, broken] = [new ClientBody(), new ClientBody()];
    const first = send(upload(left));
    const second = send(upload(broken));
    left.give('abc');
    broken.give('abc');
    first.ongoing.cancel();
    expect(left.isCancelled).toBe(true);
    broken.abort(new GatewayError('GW_REQUEST_TIMEOUT'));
    expect((await second.outcome).error).toMatchObject({ code: 'GW_REQUEST_TIMEOUT' });
    expect(budget.used).toBe(0);
    clock.advance(10_000);
    expect(target.openConnections).toBe(0);
    expect(first.lateCalls + second.lateCalls).toBe(0);
  });

  it('leaves the queue when it breaks there', async () => {
    const { send, budget, raw } = await start({ maxConnections: 1 }, () => {});
    send();
    await (await raw.connection(0)).takeHead();
    const body = new ClientBody(3);
    const sink = send(upload(body));
    body.give('abc');
    body.end();
    sink.ongoing.cancel();
    expect(budget.used).toBe(0);
  });

  it('has its body passed on as before where the buffers are full', async () => {
    const { send, raw, budget } = await start({ maxConnections: 1 }, undefined, new BufferBudget(2));
    const body = new ClientBody();
    send(upload(body));
    body.give('hello');
    const connection = await raw.connection(0);
    await connection.until((received) => received.includes('hello'));
    expect(budget.used).toBe(0);
  });
});

describe('a client that reads its answer slowly', () => {
  const body = 'x'.repeat(60_000);
  const inLength = `HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n${body}`;
  const inChunks = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'3e8\r\n'.concat('x'.repeat(1000), '\r\n').repeat(60)}0\r\n\r\n`;

  it.each([
    ['of known length', inLength],
    ['in chunks', inChunks],
  ])('keeps no connection for an answer that fits (%s)', async (_, answer) => {
    const { send, raw, budget, target } = await start({ maxConnections: 1 }, async (connection) => {
      for (;;) {
        const head = await connection.takeHead();
        if (!head.includes('/large')) connection.write(OK);
        else {
          connection.write(answer.slice(0, 5000));
          for (let turn = 0; turn < 5; turn++) await nextTurn();
          connection.write(answer.slice(5000));
        }
      }
    });
    const slow = send({ path: '/large' });
    slow.isSlow = true;
    await slow.headed;
    expect(await send().outcome).toMatchObject({ body: 'ok' });
    expect(raw.connections).toHaveLength(1);
    expect(target.openConnections).toBe(1);
    expect(slow.received.length).toBeLessThan(60_000);
    while (slow.received.length < 60_000) slow.onDrain?.();
    expect(await slow.outcome).toMatchObject({ isWhole: true, body });
    expect(budget.used).toBe(0);
    expect(slow.lateCalls).toBe(0);
  });

  it('makes the target wait where more is to come than fits', async () => {
    const { send, raw, budget } = await start({ maxConnections: 2 });
    const slow = send();
    slow.isSlow = true;
    const connection = await raw.connection(0);
    await connection.takeHead();
    connection.write(`HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n${'x'.repeat(5_000_000)}`);
    await slow.headed;
    await until(() => slow.received !== '');
    expect(budget.used).toBe(0);
  });

  it('is relieved of up to 1 MiB where others wait for its connection', async () => {
    const { send, raw, budget } = await start({ maxConnections: 1 });
    const slow = send();
    slow.isSlow = true;
    const connection = await raw.connection(0);
    await connection.takeHead();
    connection.write(`HTTP/1.1 200 OK\r\nContent-Length: 800000\r\n\r\n${'x'.repeat(800_000)}`);
    await slow.headed;
    const other = send();
    await connection.takeHead();
    connection.write(OK);
    expect(await other.outcome).toMatchObject({ body: 'ok' });
    expect(budget.used).toBeGreaterThan(500_000);
    slow.ongoing.cancel();
    expect(budget.used).toBe(0);
  });

  it('hears that the answer broke, and nothing of what was kept for it', async () => {
    const { send, raw, budget } = await start({ maxConnections: 1 });
    const slow = send();
    slow.isSlow = true;
    const connection = await raw.connection(0);
    await connection.takeHead();
    connection.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello');
    await until(() => slow.received === 'hello');
    connection.write('more');
    await until(() => budget.used === 4);
    connection.socket.destroy();
    expect((await slow.outcome).error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN' });
    expect(budget.used).toBe(0);
  });
});
