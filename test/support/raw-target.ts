import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { LOOPBACK } from './loopback.ts';

/** One connection that a raw target accepted: what came on it, and the socket to answer on. */
export class RawConnection {
  readonly socket: Socket;
  /** Everything received so far, as latin1. */
  received = '';
  isClosed = false;
  private readonly changed = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.received += chunk.toString('latin1');
      this.notify();
    });
    socket.on('error', () => {});
    // The gateway closes both ways at once, so its FIN says all.
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.isClosed = true;
        this.notify();
      });
    }
  }

  /** Waits until `isMet` holds of what was received. */
  async until(isMet: (received: string) => boolean): Promise<void> {
    while (!isMet(this.received)) {
      if (this.isClosed) throw new Error(`the connection closed after ${JSON.stringify(this.received)}`);
      await this.change();
    }
  }

  /** Waits for the head of a request and everything that came with it, and forgets it. */
  async takeHead(): Promise<string> {
    await this.until((received) => received.includes('\r\n\r\n'));
    const head = this.received;
    this.received = '';
    return head;
  }

  async closed(): Promise<void> {
    while (!this.isClosed) await this.change();
  }

  write(text: string | Uint8Array): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  }

  private change(): Promise<void> {
    return new Promise((resolve) => {
      const heard = (): void => {
        this.changed.delete(heard);
        resolve();
      };
      this.changed.add(heard);
    });
  }

  private notify(): void {
    for (const heard of [...this.changed]) heard();
  }
}

/** A server that does on its connections what a test says, byte by byte. */
export interface RawTarget {
  readonly port: number;
  readonly url: string;
  /** All connections, in the order they came. */
  readonly connections: readonly RawConnection[];
  /** Waits for connection number `index`. */
  connection(index: number): Promise<RawConnection>;
  /** Refuses connections from now on, and leaves those that there are. */
  stopListening(): void;
  close(): Promise<void>;
}

/** Listens on a free port of the loopback. `serve` runs for each connection. */
export async function startRaw(
  serve: (connection: RawConnection) => unknown = () => {},
  tls?: TlsOptions,
): Promise<RawTarget> {
  const connections: RawConnection[] = [];
  const waiting = new Set<() => void>();
  const take = (socket: Socket): void => {
    const connection = new RawConnection(socket);
    connections.push(connection);
    for (const heard of [...waiting]) heard();
    // A connection that ends under the script ends the script.
    void Promise.resolve(serve(connection)).catch(() => {});
  };
  const server: Server = tls
    ? createTlsServer({ allowHalfOpen: true, ...tls }, take).on('tlsClientError', () => {})
    : createServer({ allowHalfOpen: true, noDelay: true }, take);
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `${tls ? 'https' : 'http'}://${LOOPBACK}:${port}`,
    connections,
    async connection(index) {
      while (connections.length <= index) {
        await new Promise<void>((resolve) => {
          const heard = (): void => {
            waiting.delete(heard);
            resolve();
          };
          waiting.add(heard);
        });
      }
      return connections[index] as RawConnection;
    },
    stopListening: () => void server.close(),
    async close() {
      for (const { socket } of connections) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers every request on a connection with `answer`, in full or made for the request's head. */
export function answering(answer: string | ((head: string) => string)) {
  return async (connection: RawConnection): Promise<void> => {
    while (true) {
      const head = await connection.takeHead();
      connection.write(typeof answer === 'string' ? answer : answer(head));
    }
  };
}
