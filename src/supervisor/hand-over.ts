import type { Socket } from 'node:net';
import type { Clock } from '../core/clock.ts';
import type { Counter, Metrics } from '../core/services.ts';

/** A connection that was accepted and that no worker has acknowledged. */
export interface Unclaimed {
  readonly socket: Socket;
  /** Which of our ports it came by. */
  readonly key: string;
  readonly since: number;
}

/** A worker that takes connections: one at a time, the next when it has acknowledged the one before. */
export interface Receiver {
  /** Whether it has this port. */
  serves(key: string): boolean;
  /** Sends it a connection. */
  send(connection: Unclaimed): void;
  /** Asks how many connections it has received since it began. Rejects when it does not say. */
  countReceived(): Promise<number>;
}

/** What is known of a receiver. */
interface Desk {
  readonly receiver: Receiver;
  sent: number;
  /** What it was given and has not acknowledged; since when, and whether the worker was queried where that is. */
  inFlight:
    | { readonly connection: Unclaimed; readonly since: number; isStatusRequested: boolean }
    | undefined;
  /** Whether it is to be given more. */
  isOpen: boolean;
}

/** More than a busy gateway ever has waiting; each holds a descriptor. */
const MAX_WAITING = 10_000;
/** Longer than it takes to replace a worker that hangs. */
const MAX_WAIT_MS = 30_000;
const LOOK_INTERVAL_MS = 1000;
/** A worker that has not acknowledged a connection after so long is queried whether it has it. */
const QUERY_AFTER_MS = 20;
/** How long a worker that could not receive a connection is given none, so that the others get them first. */
const REST_MS = 1000;

/**
 * Gives accepted connections to workers in turn, and keeps each until its worker says that it has it: of a worker that
 * ends, what it had not acknowledged goes to another one. What no worker takes before the timeout is closed.
 */
export class HandOver {
  private readonly clock: Clock;
  private readonly desks = new Map<Receiver, Desk>();
  /** Those that have nothing in flight, the one that waits longest first. */
  private readonly free: Desk[] = [];
  private waiting: Unclaimed[] = [];
  private readonly refused: Counter;
  private readonly handedAgain: Counter;
  private readonly stopLooking: () => void;
  /** Stops the timer of the next query, which runs only while something is in flight. */
  private stopQuerying: (() => void) | undefined = undefined;
  /** Told when nothing waits any more, where somebody waits for that. */
  private onEmpty: (() => void) | undefined = undefined;

  constructor(clock: Clock, metrics: Metrics) {
    this.clock = clock;
    this.refused = metrics.counter(
      'gateway_connections_unclaimed_total',
      'Connections that were closed since no worker took them before the timeout.',
    );
    this.handedAgain = metrics.counter(
      'gateway_connections_handed_again_total',
      'Connections that went to another worker, since the first one ended or lost them.',
    );
    metrics.gauge('gateway_connections_waiting', 'Connections that wait for a worker.', {}, () => this.size);
    this.stopLooking = clock.every(LOOK_INTERVAL_MS, () => this.look());
  }

  /** How many connections no worker has acknowledged. */
  get size(): number {
    return this.waiting.length + this.inFlight.length;
  }

  /** Takes a connection that came by the port `key`. */
  take(socket: Socket, key: string): void {
    const connection = { socket, key, since: this.clock.monotonic() };
    // Nothing is read of it here, so that it only hears of what it does itself.
    socket.on('error', ignore);
    const desk = this.takeFree(key);
    if (desk !== undefined) this.give(desk, connection);
    else if (this.waiting.length < MAX_WAITING) this.waiting.push(connection);
    else this.reject(connection);
  }

  /** Gives connections to a worker from now on. */
  join(receiver: Receiver): void {
    const desk: Desk = { receiver, sent: 0, inFlight: undefined, isOpen: true };
    this.desks.set(receiver, desk);
    this.setFree(desk);
  }

  /** The worker has what it was given. */
  acknowledge(receiver: Receiver): void {
    const desk = this.desks.get(receiver);
    const acknowledged = desk?.inFlight;
    if (desk === undefined || acknowledged === undefined) return;
    desk.inFlight = undefined;
    // The other process has it; this closes only our own descriptor.
    acknowledged.connection.socket.destroy();
    this.setFree(desk);
    if (this.onEmpty !== undefined && this.size === 0) this.onEmpty();
  }

  /** Takes up again what had to wait, as for a port that workers have from now on. */
  resume(): void {
    for (const desk of this.free.splice(0)) this.setFree(desk);
  }

  /** Gives a worker no more connections. What it was given it still has to acknowledge. */
  dismiss(receiver: Receiver): void {
    const desk = this.desks.get(receiver);
    if (desk === undefined) return;
    desk.isOpen = false;
    const at = this.free.indexOf(desk);
    if (at >= 0) this.free.splice(at, 1);
  }

  /** A worker has ended, and all that it said was heard. Gives how many connections go to others. */
  forget(receiver: Receiver): number {
    const desk = this.desks.get(receiver);
    this.dismiss(receiver);
    this.desks.delete(receiver);
    if (desk?.inFlight === undefined) return 0;
    this.giveAgain(desk);
    return 1;
  }

  /** Closes what waits for a port that is not to be. */
  rejectPort(key: string): void {
    const [rejected, kept] = [
      this.waiting.filter((each) => each.key === key),
      this.waiting.filter((each) => each.key !== key),
    ];
    this.waiting = kept;
    for (const connection of rejected) this.reject(connection);
  }

  /** Resolves when each connection has its worker, or after `timeoutMs`. */
  settle(timeoutMs: number): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.clock.after(timeoutMs, resolve);
      this.onEmpty = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Closes all that no worker has acknowledged. */
  close(): void {
    this.stopLooking();
    this.stopQuerying?.();
    for (const connection of [...this.waiting.splice(0), ...this.inFlight]) connection.socket.destroy();
  }

  private get inFlight(): Unclaimed[] {
    return [...this.desks.values()].flatMap(({ inFlight }) => inFlight?.connection ?? []);
  }

  private takeFree(key: string): Desk | undefined {
    if (this.free[0]?.receiver.serves(key) === true) return this.free.shift();
    const at = this.free.findIndex(({ receiver }) => receiver.serves(key));
    return at < 0 ? undefined : this.free.splice(at, 1)[0];
  }

  private setFree(desk: Desk): void {
    if (!desk.isOpen) return;
    const isFirst = this.waiting.length > 0 && desk.receiver.serves((this.waiting[0] as Unclaimed).key);
    const at = isFirst ? 0 : this.waiting.findIndex(({ key }) => desk.receiver.serves(key));
    if (at < 0) this.free.push(desk);
    else this.give(desk, this.waiting.splice(at, 1)[0] as Unclaimed);
  }

  private give(desk: Desk, connection: Unclaimed): void {
    desk.sent++;
    desk.inFlight = { connection, since: this.clock.monotonic(), isStatusRequested: false };
    desk.receiver.send(connection);
    this.querySoon();
  }

  private giveAgain(desk: Desk): void {
    const { connection } = desk.inFlight as NonNullable<Desk['inFlight']>;
    desk.inFlight = undefined;
    this.handedAgain.add();
    const next = this.takeFree(connection.key);
    if (next === undefined) this.waiting.unshift(connection);
    else this.give(next, connection);
  }

  private look(): void {
    const now = this.clock.monotonic();
    const isOverdue = ({ since }: Unclaimed): boolean => now - since >= MAX_WAIT_MS;
    const late = this.waiting.filter(isOverdue);
    if (late.length > 0) this.waiting = this.waiting.filter((each) => !isOverdue(each));
    for (const connection of late) this.reject(connection);
  }

  private querySoon(): void {
    this.stopQuerying ??= this.clock.after(QUERY_AFTER_MS, () => {
      this.stopQuerying = undefined;
      this.queryOverdue();
    });
  }

  /** Queries each worker that should have acknowledged its connection by now. */
  private queryOverdue(): void {
    const now = this.clock.monotonic();
    for (const desk of this.desks.values()) {
      const { inFlight } = desk;
      if (inFlight === undefined || inFlight.isStatusRequested) continue;
      if (now - inFlight.since < QUERY_AFTER_MS) this.querySoon();
      else void this.queryWorker(desk, inFlight);
    }
  }

  /**
   * A worker that has no descriptor left receives the message without the connection, and never hears of that one: it goes to
   * another worker. The response comes behind what was sent before the query.
   */
  private async queryWorker(desk: Desk, asked: NonNullable<Desk['inFlight']>): Promise<void> {
    asked.isStatusRequested = true;
    const received = await desk.receiver.countReceived().catch(() => undefined);
    asked.isStatusRequested = false;
    if (desk.inFlight !== asked) return;
    if (received === undefined || received >= desk.sent) return this.querySoon();
    desk.sent = received;
    this.giveAgain(desk);
    this.clock.after(REST_MS, () => this.setFree(desk));
  }

  private reject({ socket }: Unclaimed): void {
    this.refused.add();
    socket.destroy();
  }
}

function ignore(): void {}
