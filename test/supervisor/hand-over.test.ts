import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import { HandOver, type Receiver, type Unclaimed } from '../../src/supervisor/hand-over.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { readValue } from './pool-of.ts';

/** Our end of a connection: whether it is open is all that counts. */
class FakeSocket extends EventEmitter {
  isOpen = true;

  destroy(): void {
    this.isOpen = false;
  }
}

/** A worker that keeps what it is given. */
class FakeWorker implements Receiver {
  readonly given: Unclaimed[] = [];
  readonly ports: Set<string>;
  received = 0;

  constructor(...ports: string[]) {
    this.ports = new Set(ports);
  }

  serves(key: string): boolean {
    return this.ports.has(key);
  }

  send(connection: Unclaimed): void {
    this.given.push(connection);
    this.received++;
  }

  async countReceived(): Promise<number> {
    return this.received;
  }

  get sockets(): unknown[] {
    return this.given.map(({ socket }) => socket);
  }
}

function setUp() {
  const clock = new StubClock();
  const metrics = createMetrics({ version: 'test' });
  const handOver = new HandOver(clock, metrics);
  const connect = (key = 'a'): FakeSocket => {
    const socket = new FakeSocket();
    handOver.take(socket as unknown as Socket, key);
    return socket;
  };
  const value = async (name: string): Promise<number> => readValue((await metrics.render()).text, name);
  return { clock, handOver, connect, value };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('connections that were accepted', () => {
  it('go to workers in turn, the next one when the one before is acknowledged', () => {
    const { handOver, connect } = setUp();
    const [one, two] = [new FakeWorker('a'), new FakeWorker('a')];
    handOver.join(one);
    handOver.join(two);
    const sockets = [connect(), connect(), connect()];
    expect([one.sockets, two.sockets]).toEqual([[sockets[0]], [sockets[1]]]);
    handOver.acknowledge(two);
    expect(two.sockets).toEqual([sockets[1], sockets[2]]);
    expect(sockets.map(({ isOpen }) => isOpen)).toEqual([true, false, true]);
  });

  it('wait while no worker serves, and go to the first one that does', async () => {
    const { handOver, connect, value } = setUp();
    const socket = connect();
    expect(await value('gateway_connections_waiting')).toBe(1);
    const worker = new FakeWorker('a');
    handOver.join(worker);
    expect(worker.sockets).toEqual([socket]);
    handOver.acknowledge(worker);
    expect(handOver.size).toBe(0);
  });

  it('wait for a worker that has their port', () => {
    const { handOver, connect } = setUp();
    const worker = new FakeWorker('a');
    handOver.join(worker);
    const socket = connect('b');
    expect(worker.sockets).toEqual([]);
    worker.ports.add('b');
    handOver.resume();
    expect(worker.sockets).toEqual([socket]);
  });

  it('are closed where their port is not to be', () => {
    const { handOver, connect } = setUp();
    const [kept, refused] = [connect('a'), connect('b')];
    handOver.rejectPort('b');
    expect([kept.isOpen, refused.isOpen]).toEqual([true, false]);
  });

  it('go to another worker, open as they are, when theirs ends before it acknowledged them', async () => {
    const { handOver, connect, value } = setUp();
    const [one, two] = [new FakeWorker('a'), new FakeWorker('a')];
    handOver.join(one);
    const socket = connect();
    handOver.join(two);
    expect(handOver.forget(one)).toBe(1);
    expect(two.sockets).toEqual([socket]);
    expect(socket.isOpen).toBe(true);
    expect(await value('gateway_connections_handed_again_total')).toBe(1);
  });

  it('go first, before those that came later', () => {
    const { handOver, connect } = setUp();
    const one = new FakeWorker('a');
    handOver.join(one);
    const [first, second] = [connect(), connect()];
    handOver.forget(one);
    const two = new FakeWorker('a');
    handOver.join(two);
    handOver.acknowledge(two);
    expect(two.sockets).toEqual([first, second]);
  });

  it('stay with a worker that acknowledged them, whatever becomes of it', () => {
    const { handOver, connect } = setUp();
    const [one, two] = [new FakeWorker('a'), new FakeWorker('a')];
    handOver.join(one);
    connect();
    handOver.acknowledge(one);
    handOver.join(two);
    expect(handOver.forget(one)).toBe(0);
    expect(two.sockets).toEqual([]);
  });

  it('are given to no worker that is being stopped, which still acknowledges the one it has', () => {
    const { handOver, connect } = setUp();
    const worker = new FakeWorker('a');
    handOver.join(worker);
    const [first] = [connect(), connect()];
    handOver.dismiss(worker);
    handOver.acknowledge(worker);
    expect(worker.sockets).toEqual([first]);
    expect(first?.isOpen).toBe(false);
    expect(handOver.size).toBe(1);
  });

  it('go to another worker when the first says that it never had them', async () => {
    const { clock, handOver, connect } = setUp();
    const [one, two] = [new FakeWorker('a'), new FakeWorker('a')];
    handOver.join(one);
    const socket = connect();
    one.received = 0;
    handOver.join(two);
    clock.advance(20);
    await nextTurn();
    expect(two.sockets).toEqual([socket]);
    // For a moment others come first, and then it is given more.
    const next = connect();
    handOver.acknowledge(two);
    expect(two.sockets).toEqual([socket, next]);
    const last = connect();
    clock.advance(1000);
    expect(one.sockets).toEqual([socket, last]);
  });

  it('come back to the only worker, which could not receive them, a second later', async () => {
    const { clock, handOver, connect } = setUp();
    const worker = new FakeWorker('a');
    handOver.join(worker);
    const socket = connect();
    worker.received = 0;
    clock.advance(20);
    await nextTurn();
    clock.advance(980);
    expect(worker.sockets).toEqual([socket]);
    clock.advance(20);
    expect(worker.sockets).toEqual([socket, socket]);
    handOver.acknowledge(worker);
    expect(handOver.size).toBe(0);
  });

  it('are asked for again while a worker has them and is slow to say so', async () => {
    const { clock, handOver, connect } = setUp();
    const [one, two] = [new FakeWorker('a'), new FakeWorker('a')];
    handOver.join(one);
    const socket = connect();
    handOver.join(two);
    for (let i = 0; i < 3; i++) {
      clock.advance(20);
      await nextTurn();
    }
    expect(two.sockets).toEqual([]);
    one.received = 0;
    clock.advance(20);
    await nextTurn();
    expect(two.sockets).toEqual([socket]);
  });

  it('stay where they are while a worker has them and is slow to say so', async () => {
    const { clock, handOver, connect } = setUp();
    const [one, two] = [new FakeWorker('a'), new FakeWorker('a')];
    handOver.join(one);
    connect();
    handOver.join(two);
    clock.advance(1000);
    await nextTurn();
    expect(two.sockets).toEqual([]);
  });

  it('are closed when no worker takes them in 30 s', async () => {
    const { clock, connect, value } = setUp();
    const socket = connect();
    clock.advance(29_000);
    expect(socket.isOpen).toBe(true);
    clock.advance(1000);
    expect(socket.isOpen).toBe(false);
    expect(await value('gateway_connections_unclaimed_total')).toBe(1);
  });

  it('are waited for at the end, for as long as was said', async () => {
    const { clock, handOver, connect } = setUp();
    const worker = new FakeWorker('a');
    handOver.join(worker);
    connect();
    const settled = handOver.settle(1000);
    handOver.acknowledge(worker);
    await settled;
    connect();
    const late = handOver.settle(1000);
    clock.advance(1000);
    await late;
    expect(handOver.size).toBe(1);
  });
});
