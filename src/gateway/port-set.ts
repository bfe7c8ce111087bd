import type { ListenerConfig } from '../config/schema/schema.ts';

/** A port that is open. */
export interface OpenPort {
  /** What cannot be changed while it is open. */
  readonly key: string;
  readonly port: number;
}

/** Ports as a configuration asks for them, in its order. One of the two functions is to be called. */
export interface PreparedSet<Port> {
  readonly ports: readonly Port[];
  /** Puts them in force, which cannot fail. Gives those that are not wanted any more. */
  commit(): readonly Port[];
  /** Closes what was opened for them. */
  discard(): Promise<void>;
}

/** The ports of a gateway. They stay open across reloads unless what the port itself is made of changed. */
export class PortSet<Port extends OpenPort> {
  private current: readonly Port[] = [];
  private readonly close: (port: Port) => void | Promise<void>;

  constructor(close: (port: Port) => void | Promise<void>) {
    this.close = close;
  }

  get open(): readonly Port[] {
    return this.current;
  }

  /**
   * Finds a port for each of `keys`, or opens one before anything changes. Rejects with the first that cannot be opened, and with what
   * `check` throws when all are open.
   */
  async prepare(
    keys: readonly string[],
    open: (key: string, index: number) => Promise<Port>,
    check: () => void = () => {},
  ): Promise<PreparedSet<Port>> {
    const spare = [...this.current];
    const ports: Port[] = [];
    const opened: Port[] = [];
    const discard = async (): Promise<void> => {
      await Promise.all(opened.map((port) => this.close(port)));
    };
    try {
      for (const [index, key] of keys.entries()) {
        const at = spare.findIndex((port) => port.key === key);
        const [known] = at < 0 ? [] : spare.splice(at, 1);
        const port = known ?? (await open(key, index));
        if (known === undefined) opened.push(port);
        ports.push(port);
      }
      check();
    } catch (error) {
      await discard();
      throw this.explain(error);
    }
    const commit = (): readonly Port[] => {
      this.current = ports;
      return spare;
    };
    return { ports, commit, discard };
  }

  private explain(error: unknown): unknown {
    const { code, port } = error as { code?: string; port?: number };
    const isOurs = code === 'EADDRINUSE' && this.current.some((each) => each.port === port);
    return isOurs ? new Error(explainOpenPort(port as number), { cause: error }) : error;
  }
}

/** What cannot be changed while a port is open. */
export function portKeyOf({ host, port, tls }: ListenerConfig): string {
  return JSON.stringify([host, port, tls !== undefined, tls?.clientCertificates?.required]);
}

function explainOpenPort(port: number): string {
  return `port ${port} is open with another host or without what tls asks for, which cannot change while it is open — use another port, or restart the gateway`;
}
