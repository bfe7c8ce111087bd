import type { Socket } from 'node:net';
import type { ListenerConfig } from '../config/schema/schema.ts';
import type { Clock } from '../core/clock.ts';
import { Descriptors } from '../core/network/descriptors.ts';
import { isOwnFault } from '../core/network/own-fault.ts';
import type { Counter, Log, Metrics } from '../core/services.ts';
import { type OpenPort, PortSet, portKeyOf } from '../gateway/port-set.ts';
import { rejectConnection } from '../server/connection-rejection.ts';
import { ListeningPort } from '../server/connection-source.ts';
import type { HandOver } from './hand-over.ts';
import type { SharedPort } from './worker-contract.ts';

/** Ports that are open for a configuration. One of the two functions is to be called. */
export interface PreparedShare {
  /** In the order of the listeners. */
  readonly ports: readonly SharedPort[];
  /** Closes those that are not wanted any more. */
  commit(): void;
  discard(): Promise<void>;
}

interface Share extends OpenPort {
  readonly id: string;
  readonly listening: ListeningPort;
}

/** The ports on which workers serve. They are open in this process, which accepts connections and hands them over. */
export class SharedPorts {
  private readonly handOver: HandOver;
  private readonly services: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics };
  private readonly descriptors: Descriptors;
  private readonly set = new PortSet<Share>((share) => this.close(share));
  private lastId = 0;

  constructor(
    handOver: HandOver,
    services: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics },
  ) {
    this.handOver = handOver;
    this.services = services;
    this.descriptors = new Descriptors(services);
  }

  /** What is amiss, a sentence each. */
  get problems(): readonly string[] {
    return this.descriptors.problem === undefined ? [] : [`the supervisor: ${this.descriptors.problem}`];
  }

  /** The ports that are open, in the order of the listeners. */
  get open(): readonly SharedPort[] {
    return this.set.open.map(toShared);
  }

  /**
   * Opens the ports that `listeners` ask for and that are not open. Connections to them wait until workers have them. Rejects,
   * with nothing changed, where one cannot be opened.
   */
  async prepare(listeners: readonly ListenerConfig[]): Promise<PreparedShare> {
    const { ports, commit, discard } = await this.set.prepare(listeners.map(portKeyOf), (key, i) =>
      this.openPort(key, listeners[i] as ListenerConfig),
    );
    return {
      ports: ports.map(toShared),
      commit: () => {
        for (const { listening } of commit()) listening.close();
        this.descriptors.compareWith(listeners);
      },
      discard,
    };
  }

  /** Closes all. Connections that wait are still handed over. */
  stopAccepting(): void {
    for (const { listening } of this.set.open) listening.close();
  }

  private async openPort(key: string, { host, port, tls }: ListenerConfig): Promise<Share> {
    const listening = new ListeningPort({ host, port, paused: true });
    const id = String(++this.lastId);
    const name = (): string => `${host}:${listening.port}`;
    let rejected: Counter | undefined;
    await listening.open({
      take: (socket) => {
        const room = this.descriptors.roomFor(socket);
        if (room === 'exchange') return this.handOver.take(socket, id);
        rejected ??= this.countRejected(name());
        rejected.add();
        this.reject(socket, room === 'rejection' && tls === undefined);
      },
      fail: (error) => this.noteFailure(error, name()),
    });
    return { key, id, port: listening.port, listening };
  }

  private close({ id, listening }: Share): void {
    listening.close();
    this.handOver.rejectPort(id);
  }

  /** Where a handshake would have to come first, there is no response that rejects. */
  private reject(socket: Socket, isAnswered: boolean): void {
    if (isAnswered) rejectConnection(socket, this.services.clock);
    else socket.destroy();
  }

  private countRejected(listener: string): Counter {
    const help = 'Connections above the limit.';
    return this.services.metrics.counter('gateway_connections_refused_total', help, { listener });
  }

  private noteFailure(error: Error, listener: string): void {
    if (isOwnFault(error)) this.descriptors.noteShortage('client', error);
    else this.services.log.error({ err: error, listener }, 'cannot accept connections');
  }
}

function toShared({ id, port }: Share): SharedPort {
  return { id, port };
}
