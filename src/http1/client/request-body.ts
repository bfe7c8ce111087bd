import type { BodySink, BodySource } from '../../core/body.ts';
import { GatewayError } from '../../core/errors.ts';
import type { HeaderList } from '../../core/header-list.ts';
import type { MessageParser } from '../message-parser.ts';
import type { Transport } from '../transport.ts';
import type { ReceivedBytes } from './received-bytes.ts';
import type { RequestPace } from './request-pace.ts';

/** What bodies are read from: the parts of a connection that one request after the other uses. */
export interface BodyInput {
  readonly received: ReceivedBytes;
  readonly parser: MessageParser;
  readonly transport: Transport;
  readonly pace: RequestPace;
}

/** Hears what becomes of a body. */
export interface BodyOwner {
  /** Somebody takes it, or takes more of it. */
  onBodyWanted(): void;
  /** All of it has come, though its sink has not been told yet. */
  onBodyWhole(): void;
}

/**
 * What is done with what comes. `waiting`: nobody takes it for now. `discarding`: it is dropped so that the connection can
 * be used again. `whole` and `broken` are ends.
 */
export type BodyPhase = 'waiting' | 'flowing' | 'paused' | 'discarding' | 'whole' | 'broken';

/** Bodies of which more than this is still to come are read into the connection's own buffer. */
const OWN_BUFFER_BYTES = 16 * 1024;
/** The largest rest that is read and dropped so that the connection can be used again. */
const DISCARDED_BYTES = 64 * 1024;
/** So much of a body is worth taking a connection to a target for. */
const AT_HAND_BYTES = 64 * 1024;
/** What a body in chunks ends with, unless it has trailers. */
const LAST_CHUNK = '0\r\n\r\n';
const TOO_LATE = 'the request body was asked for after the response was complete';

/**
 * The body of one request, which flows from the connection into a sink: at the speed of the sink, and not slower than a
 * client may send it.
 *
 * | phase      | pipe     | sink full | resume  | cancel  | discard    | last byte | break  |
 * |------------|----------|-----------|---------|---------|------------|-----------|--------|
 * | waiting    | flowing  |           |         | waiting | discarding |           | broken |
 * | flowing    |          | paused    |         | waiting | discarding | whole     | broken |
 * | paused     |          |           | flowing | waiting | discarding |           | broken |
 * | discarding | (abort)  |           |         |         |            | whole     | broken |
 * | whole      | (end)    |           |         |         |            |           | broken |
 * | broken     | (abort)  |           |         |         |            |           | broken |
 */
export class RequestBody implements BodySource {
  readonly length: number | undefined;
  private current: BodyPhase = 'waiting';
  /** Bytes that have been taken off the connection. */
  taken = 0;
  private sink: BodySink | undefined = undefined;
  private error: GatewayError | undefined = undefined;
  private readonly input: BodyInput;
  private readonly owner: BodyOwner;

  /** `length` is `undefined` for a body in chunks. */
  constructor(length: number | undefined, input: BodyInput, owner: BodyOwner) {
    this.length = length;
    this.input = input;
    this.owner = owner;
    if (length === undefined) input.parser.beginChunked();
    else input.parser.finish();
  }

  get phase(): BodyPhase {
    return this.current;
  }

  /** Whether nothing more of it is read, for better or worse. */
  get isOver(): boolean {
    return this.current === 'whole' || this.current === 'broken';
  }

  /** Whether it is the client's turn to send more. */
  get isAwaited(): boolean {
    return !this.isOver && this.current !== 'paused';
  }

  /** Whether its beginning, or all of it, came along with the head. */
  get isBuffered(): boolean {
    if (this.current === 'whole') return true;
    const { bytes, at, end } = this.input.received;
    if (this.length !== undefined) return end - at >= Math.min(this.length - this.taken, AT_HAND_BYTES);
    return (
      end - at >= AT_HAND_BYTES ||
      (end - at >= LAST_CHUNK.length && bytes.latin1Slice(end - LAST_CHUNK.length, end) === LAST_CHUNK)
    );
  }

  /** Whether so little is left that it can be dropped for the sake of the connection. */
  get isWorthDiscarding(): boolean {
    return this.length !== undefined && this.length - this.taken <= DISCARDED_BYTES;
  }

  pipe(sink: BodySink): void {
    if (this.error !== undefined) return sink.abort(this.error);
    if (this.current === 'whole') return sink.end();
    if (this.current === 'discarding')
      return sink.abort(new GatewayError('GW_INTERNAL', { cause: TOO_LATE }));
    this.sink = sink;
    this.current = 'flowing';
    this.owner.onBodyWanted();
  }

  resume(): void {
    if (this.current !== 'paused') return;
    this.current = 'flowing';
    this.owner.onBodyWanted();
  }

  cancel(): void {
    if (this.current !== 'flowing' && this.current !== 'paused') return;
    this.current = 'waiting';
    this.sink = undefined;
  }

  /** Drops what is still to come, whoever took it. */
  discard(): void {
    this.current = 'discarding';
    this.sink = DISCARD;
  }

  /** Ends it as broken, unless it was whole: what took it may be busy with another request by now. */
  break(error: GatewayError): void {
    const { sink, current } = this;
    this.error = error;
    this.current = 'broken';
    this.sink = undefined;
    if (current !== 'whole') sink?.abort(error);
  }

  /** Somebody waits for it from now on, or goes on waiting after a pause of ours. */
  want(): void {
    this.input.pace.want();
  }

  /** Judges the client at a check, one of which is due every `RequestPace.checkMs`. */
  isTooSlow(): boolean {
    const { pace } = this.input;
    if (this.current !== 'paused') return pace.isTooSlow(this.taken);
    pace.pause();
    return false;
  }

  /**
   * Gives its sink the next piece of what was received. Answers `more` when it can go on, `wait` when the rest has to wait,
   * and `malformed` when it is not a body.
   */
  flow(): 'more' | 'wait' | 'malformed' {
    const { sink } = this;
    if (sink === undefined || this.current === 'paused') return 'wait';
    return this.length === undefined ? this.flowChunked(sink) : this.flowCounted(sink, this.length);
  }

  private flowCounted(sink: BodySink, length: number): 'more' | 'wait' {
    const { received, transport } = this.input;
    const due = length - this.taken;
    const start = received.at;
    const taken = Math.min(due, received.end - start);
    received.at += taken;
    this.taken += taken;
    if (due > taken && due > OWN_BUFFER_BYTES) transport.useOwnBuffer();
    return this.give(sink, received.bytes.subarray(start, start + taken), taken === due, undefined);
  }

  private flowChunked(sink: BodySink): 'more' | 'wait' | 'malformed' {
    const { received, parser, transport } = this.input;
    const outcome = parser.parseChunked(received.bytes, received.at, received.end);
    received.at = parser.position;
    if (outcome === 'error' || outcome === 'overhead') return 'malformed';
    const { chunk, trailers } = parser;
    this.taken += chunk?.length ?? 0;
    transport.useOwnBuffer();
    return this.give(sink, chunk, outcome === 'end', trailers);
  }

  private give(
    sink: BodySink,
    chunk: Uint8Array | undefined,
    isLast: boolean,
    trailers: HeaderList | undefined,
  ): 'more' | 'wait' {
    const { transport } = this.input;
    if (isLast) this.complete();
    const goesOn = chunk === undefined || sink.write(chunk);
    // A chunk that waits in the system, or in a sink that is gone, must not be overwritten by the next read.
    if (!goesOn && (isLast || this.sink !== sink)) transport.forgetOwnBuffer();
    if (isLast) {
      sink.end(trailers);
      return 'more';
    }
    if (goesOn) return 'more';
    if (this.sink === sink) {
      this.current = 'paused';
      transport.pause();
    }
    return 'wait';
  }

  private complete(): void {
    this.current = 'whole';
    this.input.transport.useSharedBuffer();
    this.input.parser.finish();
    this.owner.onBodyWhole();
  }
}

/** Takes a body that nobody wants. */
const DISCARD: BodySink = {
  write: () => true,
  end() {},
  abort() {},
};
