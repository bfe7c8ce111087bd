import { HeaderList } from '../../src/core/header-list.ts';
import type { ClientInfo, ClientRequest, ClientSink, RequestHandler } from '../../src/core/message.ts';
import { ClientConnection } from '../../src/http1/client/client-connection.ts';
import type { ClientLimits, ServeOptions } from '../../src/http1/client/serve-options.ts';
import { Deadlines } from '../../src/http1/deadlines.ts';
import { forwardedText } from './forwarded-text.ts';
import { MemorySocket } from './memory-socket.ts';
import type { Outcome, TakenMessage } from './taken.ts';

export const LIMITS: ClientLimits = {
  headerBytes: 16 * 1024,
  urlBytes: 8 * 1024,
  headerCount: 100,
  headerTimeoutMs: 10_000,
  bodyIdleMs: 30_000,
  bodyMinRate: 1024,
  bodyMinRateAfterMs: 10_000,
  keepAliveMs: 72_000,
  requestTimeoutMs: 0,
  sendIdleMs: 60_000,
};

const stoppedClock = { now: () => 0, monotonic: () => 0, every: () => () => {}, after: () => () => {} };
export const CLIENT: ClientInfo = {
  remoteAddress: '192.0.2.1',
  remotePort: 1,
  localPort: 80,
  isSecure: false,
  serverName: undefined,
};

/** An outcome with the status of the rejection, where there was one. */
export interface ServedOutcome extends Outcome {
  readonly refusedWith: number | undefined;
  readonly refusedFor: string | undefined;
  readonly sent: string;
  /** What a target would get of each whole request. */
  readonly forwarded: readonly string[];
}

/** A client connection without a network, and why it refused what is no request. */
export interface OpenConnection {
  readonly connection: ClientConnection;
  readonly socket: MemorySocket;
  readonly refused: { status?: number; reason?: string };
}

/** Opens a connection whose requests go to `handler`. Bytes are given to `connection.onBytes`. */
export function openConnection(handler: RequestHandler, limits: Partial<ClientLimits> = {}): OpenConnection {
  const socket = new MemorySocket({ isPlain: true });
  const refused: OpenConnection['refused'] = {};
  const options: ServeOptions = {
    handler,
    limits: { ...LIMITS, ...limits },
    deadlines: new Deadlines(stoppedClock),
    clock: stoppedClock,
    reject: (error) => {
      refused.status = error.status;
      refused.reason = error.message;
      return { status: error.status };
    },
  };
  const connection = new ClientConnection(socket.asSocket(), CLIENT, options, () => {});
  return { connection, socket, refused };
}

/** Gives `pieces` to the client side of the engine, each as one read, and tells what it took for requests. */
export function serveStream(pieces: readonly Buffer[], limits: Partial<ClientLimits> = {}): ServedOutcome {
  const messages: TakenMessage[] = [];
  const forwarded: string[] = [];
  const handler: RequestHandler = (request, client) => messages.push(takeRequest(request, client, forwarded));
  const { connection, socket, refused } = openConnection(handler, limits);
  for (const piece of pieces) {
    if (!socket.destroyed) connection.onBytes(piece, piece.length);
  }
  const isBroken = messages.at(-1)?.body.endsWith(BROKEN) === true;
  const isRejected = refused.status !== undefined || connection.isClosing || socket.destroyed || isBroken;
  connection.destroy();
  return {
    messages,
    isRejected,
    refusedWith: refused.status,
    refusedFor: refused.reason,
    sent: socket.sent,
    forwarded,
  };
}

/** Stands at the end of a body that broke. */
const BROKEN = '<broken>';

/** Reads a request whole, answers it, and tells what it was. */
function takeRequest(request: ClientRequest, client: ClientSink, forwarded: string[]): TakenMessage {
  const taken: TakenMessage = {
    line: `${request.method} ${request.target} ${request.httpVersion}`,
    headers: [...request.headers],
    body: '',
    trailers: [],
    isComplete: false,
  };
  request.body.pipe({
    write(chunk) {
      taken.body += Buffer.from(chunk).toString('latin1');
      return true;
    },
    end(trailers) {
      taken.isComplete = true;
      forwarded.push(forwardedText(request, taken.body));
      taken.trailers = [...(trailers ?? [])];
      client.head({ status: 200, reason: '', headers: HeaderList.from(), length: 0 });
      client.end();
    },
    abort() {
      taken.body += BROKEN;
      client.head({ status: 400, reason: '', headers: HeaderList.from(), length: 0 });
      client.end();
    },
  });
  return taken;
}
