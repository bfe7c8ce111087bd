import type { ListenerConfig } from '../config/schema/schema.ts';
import type { Log } from '../core/services.ts';
import { type OpenPort, PortSet, portKeyOf } from '../gateway/port-set.ts';
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

/** Accepting fails at every attempt while the system has no file left, thousands of times a second. */
const ACCEPT_ERROR_LOG_INTERVAL_MS = 10_000;

/** The ports on which workers serve. They are open in this process, which accepts connections and hands them over. */
export class SharedPorts {
  private readonly handOver: HandOver;
  private readonly log: Log;
  private readonly set = new PortSet<Share>((share) => this.close(share));
  private lastId = 0;
  private failedAt = Number.NEGATIVE_INFINITY;

  constructor(handOver: HandOver, log: Log) {
    this.handOver = handOver;
    this.log = log;
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
      },
      discard,
    };
  }

  /** Closes all. Connections that wait are still handed over. */
  stopAccepting(): void {
    for (const { listening } of this.set.open) listening.close();
  }

  private async openPort(key: string, { host, port }: ListenerConfig): Promise<Share> {
    const listening = new ListeningPort({ host, port, paused: true });
    const id = String(++this.lastId);
    await listening.open({
      take: (socket) => this.handOver.take(socket, id),
      fail: (error) => this.noteFailure(error, `${host}:${listening.port}`),
    });
    return { key, id, port: listening.port, listening };
  }

  private close({ id, listening }: Share): void {
    listening.close();
    this.handOver.refusePort(id);
  }

  private noteFailure(error: Error, listener: string): void {
    const now = performance.now();
    if (now - this.failedAt < ACCEPT_ERROR_LOG_INTERVAL_MS) return;
    this.failedAt = now;
    this.log.error(
      { err: error, listener },
      'cannot accept connections; raise the limit of open files (ulimit -n), or lower limits.connections',
    );
  }
}

function toShared({ id, port }: Share): SharedPort {
  return { id, port };
}
