import type { BodySink } from '../../core/body.ts';
import type { HeaderList } from '../../core/header-list.ts';
import type { Framing } from '../framing.ts';
import type { MessageParser } from '../message-parser.ts';
import type { Transport } from '../transport.ts';
import type { ClientExchange } from './client-exchange.ts';
import type { ReceivedBytes } from './received-bytes.ts';

/** Bodies of which more than this is still to come are read into the connection's own buffer. */
const OWN_BUFFER_BYTES = 16 * 1024;

/** Finds the pieces of a request's body, and its end, in what a connection received. */
export class RequestBodyReader {
  /** What the last `take` found: a piece, if any, and whether the body ends with it. */
  chunk: Uint8Array | undefined = undefined;
  isLast = false;
  private readonly parser: MessageParser;
  private readonly transport: Transport;
  private framing: Framing = 'none';

  constructor(parser: MessageParser, transport: Transport) {
    this.parser = parser;
    this.transport = transport;
  }

  get trailers(): HeaderList | undefined {
    return this.parser.trailers;
  }

  /** Goes on behind a head. */
  begin(framing: Framing): void {
    this.framing = framing;
    if (framing === 'chunked') this.parser.beginChunked();
    else this.parser.finish();
  }

  /** Takes the next piece. Answers `false` when the body is malformed. */
  take(received: ReceivedBytes, exchange: ClientExchange): boolean {
    if (this.framing === 'chunked') return this.takeChunked(received, exchange);
    this.takeCounted(received, exchange);
    return true;
  }

  private takeCounted(received: ReceivedBytes, exchange: ClientExchange): void {
    const due = (exchange.length as number) - exchange.bodyBytes;
    const start = received.at;
    const taken = Math.min(due, received.end - start);
    received.at += taken;
    exchange.bodyBytes += taken;
    if (due > taken && due > OWN_BUFFER_BYTES) this.transport.useOwnBuffer();
    this.chunk = received.bytes.subarray(start, start + taken);
    this.isLast = taken === due;
  }

  private takeChunked(received: ReceivedBytes, exchange: ClientExchange): boolean {
    const outcome = this.parser.parseChunked(received.bytes, received.at, received.end);
    received.at = this.parser.position;
    if (outcome === 'error' || outcome === 'overhead') return false;
    this.chunk = this.parser.chunk;
    this.isLast = outcome === 'end';
    exchange.bodyBytes += this.chunk?.length ?? 0;
    this.transport.useOwnBuffer();
    return true;
  }
}

/** Takes a body that nobody wants. */
export const DISCARD: BodySink = {
  write: () => true,
  end() {},
  abort() {},
};
