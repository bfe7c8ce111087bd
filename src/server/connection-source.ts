import { createServer, type Server, type Socket } from 'node:net';
import { explainListenError } from './listen-error.ts';

/** Hears of connections. */
export interface ConnectionTaker {
  /** Takes a connection from its first moment. */
  take(socket: Socket): void;
  /** Hears why a connection could not be accepted. */
  fail(error: Error): void;
}

/** Where connections come from: a port of this process, or another process that has the port. */
export interface ConnectionSource {
  /** The port that is open; what was asked for until it is. */
  readonly port: number;
  /** Opens the port. `taker` is there before the first connection is. Rejects with a message that names address and remedy. */
  open(taker: ConnectionTaker): Promise<void>;
  /** Closes the port. Connections go on. */
  close(): void;
}

export interface PortOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Whether nothing is read of connections, so that another process can have them whole. Default: false. */
  readonly paused?: boolean;
}

const BACKLOG = 511;
/** The system asks silent peers whether they are there, so that one that vanished does not hold a tunnel for ever. */
const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelay: 60_000 };

/** A port of this process. */
export class ListeningPort implements ConnectionSource {
  private readonly options: PortOptions;
  private readonly server: Server;
  private opened: number | undefined = undefined;

  constructor(options: PortOptions) {
    this.options = options;
    // Half-open connections stay open: a client may close its side and still wait for the response.
    this.server = createServer({
      noDelay: true,
      allowHalfOpen: true,
      pauseOnConnect: options.paused === true,
      ...KEEP_ALIVE,
    });
  }

  get port(): number {
    const address = this.opened === undefined ? this.server.address() : undefined;
    if (typeof address === 'object' && address) this.opened = address.port;
    return this.opened ?? this.options.port;
  }

  open(taker: ConnectionTaker): Promise<void> {
    const { server } = this;
    const { host, port } = this.options;
    server.on('connection', (socket) => taker.take(socket));
    return new Promise<void>((resolve, reject) => {
      const fail = (error: Error): void => reject(explainListenError(error, host, port));
      server.once('error', fail);
      server.listen({ host, port, backlog: BACKLOG }, () => {
        server.off('error', fail);
        server.on('error', (error) => taker.fail(error));
        resolve();
      });
    });
  }

  close(): void {
    if (this.server.listening) this.server.close();
  }
}

/** A port that another process has, which hands its connections over. */
export class HandedPort implements ConnectionSource {
  /** What that process calls it. */
  readonly key: string;
  readonly port: number;
  private taker: ConnectionTaker | undefined = undefined;

  constructor(key: string, port: number) {
    this.key = key;
    this.port = port;
  }

  async open(taker: ConnectionTaker): Promise<void> {
    this.taker = taker;
  }

  /** Gives a connection to whoever opened this. */
  give(socket: Socket): void {
    // It comes with the defaults of a client's side.
    socket.allowHalfOpen = true;
    if (this.taker === undefined) socket.destroy();
    else this.taker.take(socket);
  }

  /** What is on its way still arrives: the other process knows that there is an end to it. */
  close(): void {}
}
