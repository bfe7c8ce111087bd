import type { HeadFault } from '../head-fault.ts';
import { REQUEST } from '../llhttp.ts';
import { MessageParser } from '../message-parser.ts';
import type { Transport } from '../transport.ts';
import { type ClientState, IDLE } from './client-state.ts';
import { explainRejection, TOO_MANY_EMPTY_LINES } from './explain-rejection.ts';
import { encodeRawQuery } from './raw-query.ts';
import { ReceivedBytes } from './received-bytes.ts';
import type { BodyInput, RequestBody } from './request-body.ts';
import { type RequestHead, readRequestHead } from './request-head.ts';
import { RequestPace } from './request-pace.ts';
import { RequestsPerIteration } from './requests-per-iteration.ts';
import type { ServeOptions } from './serve-options.ts';

/** Hears what the bytes of a client come to, and says what they can be. */
export interface ReaderOwner {
  readonly state: ClientState;
  /** The first byte of a request is here. */
  onHeadBegins(): void;
  /** What came of a head is not all of it. */
  onPiece(): void;
  onHead(head: RequestHead): void;
  /** What came is not a request. */
  onFault(fault: HeadFault): void;
  /** What came is not the body that the head spoke of. */
  onMalformedBody(): void;
}

/** Works off what a client sends, as what the state of its connection says that it is. */
export class RequestReader implements BodyInput {
  readonly received = new ReceivedBytes();
  readonly parser: MessageParser;
  readonly transport: Transport;
  readonly pace: RequestPace;
  private readonly owner: ReaderOwner;
  private readonly options: ServeOptions;
  private readonly iteration = new RequestsPerIteration();
  private isWorking = false;

  constructor(owner: ReaderOwner, transport: Transport, options: ServeOptions) {
    this.owner = owner;
    this.transport = transport;
    this.options = options;
    this.parser = new MessageParser(REQUEST, options.limits);
    this.pace = new RequestPace(options);
  }

  /** Takes what was received. */
  receive(bytes: Buffer, length: number): void {
    this.received.add(bytes, length);
    this.work();
  }

  /** Goes on with what waits: the state of the connection, or of a body, is another. */
  work(): void {
    if (this.isWorking) return;
    this.isWorking = true;
    while (!this.received.isEmpty && this.step()) {}
    this.isWorking = false;
    if (this.received.isEmpty) this.release();
    else this.keepRest();
  }

  /** Goes on if the connection is still there: others have had their turn. */
  resumeWork(): void {
    if (!this.transport.isClosed) this.work();
  }

  /** Drops what waits. */
  drop(): void {
    this.received.drop();
    this.parser.finish();
  }

  /** The connection is gone. */
  close(): void {
    this.received.clear();
    this.parser.finish();
  }

  /** Takes a part of what was received. Answers `false` when the rest has to wait. */
  private step(): boolean {
    const { state } = this.owner;
    switch (state.kind) {
      case 'idle':
      case 'head':
        return this.takeHead(state === IDLE);
      case 'exchange':
        if (state.isRequestComplete) return this.skipEmptyLines();
        return this.takeBody(state.incoming as RequestBody);
      case 'probing':
        return this.skipEmptyLines();
      case 'discarding':
        return this.takeBody(state.body);
      case 'tunnel':
        return state.passOn(this.received.takeAll());
      default:
        this.received.drop();
        return true;
    }
  }

  /** Empty lines before a request are none (RFC 9112 §2.2). Answers whether nothing else came. */
  private skipEmptyLines(): boolean {
    this.received.skipEmptyLines();
    return this.received.isEmpty;
  }

  private takeHead(isNew: boolean): boolean {
    const hasOnlyLines = isNew && this.skipEmptyLines();
    if (this.received.emptyLineBytes > this.options.limits.headerBytes) {
      this.owner.onFault(TOO_MANY_EMPTY_LINES);
      return true;
    }
    if (hasOnlyLines) return true;
    // Responses that wait for the client would pile up if further requests were taken meanwhile.
    return !this.transport.isWritePending && this.iteration.mayServe(this) && this.readHead(isNew);
  }

  private readHead(isNew: boolean): true {
    const { received, parser } = this;
    if (isNew) {
      this.pace.start();
      this.owner.onHeadBegins();
    }
    const outcome = parser.parseHead(received.bytes, received.at, received.end);
    if (outcome === 'error' && this.options.takesRawQuery && encodeRawQuery(parser, received)) return true;
    received.at = outcome === 'more' ? received.end : parser.position;
    if (outcome === 'more') this.owner.onPiece();
    else this.endHead(outcome === 'head' ? readRequestHead(parser) : explainRejection(outcome, parser));
    return true;
  }

  private endHead(head: RequestHead | HeadFault): void {
    if ('code' in head) return this.owner.onFault(head);
    this.iteration.count();
    this.received.emptyLineBytes = 0;
    // Else the body needs the parser, or gives it back.
    if (head.framing === 'none') this.parser.finish();
    this.owner.onHead(head);
  }

  private takeBody(body: RequestBody): boolean {
    const outcome = body.flow();
    if (outcome !== 'malformed') return outcome === 'more';
    this.received.drop();
    this.owner.onMalformedBody();
    return false;
  }

  private keepRest(): void {
    this.received.keep();
    this.transport.pause();
  }

  private release(): void {
    this.received.clear();
    const { state } = this.owner;
    if (state.kind === 'exchange' && state.incoming?.phase === 'paused') return;
    if (state.kind === 'tunnel' && state.isPaused) return;
    this.transport.resume();
  }
}
