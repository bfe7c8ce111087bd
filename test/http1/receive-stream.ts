import { EMPTY_BODY } from '../../src/core/body.ts';
import { HeaderList } from '../../src/core/header-list.ts';
import type { ResponseSink, TargetRequest } from '../../src/core/message.ts';
import { Deadlines } from '../../src/http1/deadlines.ts';
import type { Link } from '../../src/http1/link.ts';
import { TargetConnection } from '../../src/http1/target/target-connection.ts';
import type { Transport } from '../../src/http1/transport.ts';
import { MemorySocket } from './memory-socket.ts';
import type { Outcome, TakenMessage } from './taken.ts';

const stoppedClock = { now: () => 0, monotonic: () => 0, every: () => () => {}, after: () => () => {} };
const LIFE = { endsAt: Number.POSITIVE_INFINITY, maxUses: 100 };
const TIMES = { connectMs: 1000, idleMs: 1000, keepAliveMs: 1000 };

/** What our target side made of an answer. */
export interface ReceivedOutcome extends Outcome {
  /** The interim answers before the one in `messages`. */
  readonly interims: readonly number[];
  readonly isReused: boolean;
}

/**
 * Gives `pieces` to the target side of the engine as the answer to a request, each as one read, then ends the
 * connection, and tells what it took for the answer. There is a message once the head was taken.
 */
export function receiveStream(pieces: readonly Buffer[], method = 'GET'): ReceivedOutcome {
  const socket = new MemorySocket({ isPlain: true });
  const messages: TakenMessage[] = [];
  const interims: number[] = [];
  const state = { isBroken: false };
  const owner = { onIdle() {}, onReserved() {}, onResting() {}, onDetached() {}, onClosed() {} };
  const link: Link = { socket: socket.asSocket(), reader: {} };
  const connection = new TargetConnection(link, owner, TIMES, LIFE, new Deadlines(stoppedClock));
  const sink = recordingSink(messages, interims, () => (state.isBroken = true));
  connection.send({
    request: requestWith(method),
    body: EMPTY_BODY,
    sink,
    hasReceived: false,
    makeRoom: () => false,
  });
  (link.reader.current as Transport).writeDeferred();
  for (const piece of pieces) {
    if (!socket.destroyed) connection.onBytes(piece, piece.length);
  }
  const isReused = ['idle', 'resting'].includes(connection.state.kind) && !socket.destroyed;
  if (!socket.destroyed) connection.onEnd();
  connection.onClose(undefined);
  return { messages, interims, isRejected: state.isBroken || connection.lost !== undefined, isReused };
}

function requestWith(method: string): TargetRequest {
  return {
    method,
    path: '/',
    host: 'a',
    headers: HeaderList.from(),
    body: EMPTY_BODY,
    upgrade: undefined,
    acceptsTrailers: true,
    responseTimeoutMs: 1000,
  };
}

function recordingSink(messages: TakenMessage[], interims: number[], onBroken: () => void): ResponseSink {
  return {
    onDrain: undefined,
    informational: (status) => interims.push(status),
    head({ status, reason, headers }) {
      messages.push({
        line: `${status} ${reason}`,
        headers: [...headers],
        body: '',
        trailers: [],
        isComplete: false,
      });
    },
    write(chunk) {
      (messages[0] as TakenMessage).body += Buffer.from(chunk).toString('latin1');
      return true;
    },
    end(trailers) {
      const message = messages[0] as TakenMessage;
      message.trailers = [...(trailers ?? [])];
      message.isComplete = true;
    },
    flush() {},
    switchProtocols: onBroken,
    abort: onBroken,
  };
}
