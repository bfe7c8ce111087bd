import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { HandedPort } from '../server/connection-source.ts';
import type { SharedPort } from './worker-contract.ts';

/** The descriptor by which a worker acknowledges connections, a byte for each. */
export const ACKNOWLEDGEMENT_FD = 4;

const RECEIVED = Buffer.from([1]);

/** In a worker: takes the connections that the supervisor hands over, and gives them to the listeners that they are for. */
export class HandedConnections {
  /** How many came. */
  received = 0;
  private ports = new Map<string, HandedPort>();
  private current: readonly string[] = [];

  constructor(onSupervisorClosed: () => void) {
    process.on('message', (message, handle) => {
      if (typeof message === 'string') this.take(message, handle as Socket | undefined);
    });
    // Nothing ever comes; it ends with the supervisor.
    const supervisor = new Socket({ fd: ACKNOWLEDGEMENT_FD, readable: true, writable: true });
    supervisor.on('error', () => {}).once('close', onSupervisorClosed);
    supervisor.resume();
  }

  /** Gives what listeners are to open in place of ports. */
  prepare(ports: readonly SharedPort[]): HandedPort[] {
    const handed = ports.map(({ id, port }) => this.ports.get(id) ?? new HandedPort(id, port));
    // Those that a reload removes still get what was on its way.
    const next = new Map(handed.map((port) => [port.key, port]));
    for (const key of this.current) {
      const known = this.ports.get(key);
      if (known !== undefined) next.set(key, known);
    }
    this.ports = next;
    this.current = handed.map(({ key }) => key);
    return handed;
  }

  /**
   * Acknowledged before a byte of it is read: what the supervisor hears nothing of until this process has ended, it may give to
   * another one, whole.
   */
  private take(key: string, socket: Socket | undefined): void {
    if (socket === undefined) return;
    this.received++;
    acknowledge();
    const port = this.ports.get(key);
    if (port === undefined) socket.destroy();
    else port.give(socket);
  }
}

function acknowledge(): void {
  try {
    // It has room: nothing else comes until this one was read.
    writeSync(ACKNOWLEDGEMENT_FD, RECEIVED);
  } catch {
    // The supervisor is gone, which is told by another event.
  }
}
