import type { GatewayError } from '../../core/errors.ts';
import type { HeaderList } from '../../core/header-list.ts';
import type { TargetRequest } from '../../core/message.ts';
import type { Framing } from '../framing.ts';
import { RESPONSE } from '../llhttp.ts';
import { MessageParser } from '../message-parser.ts';
import type { Transport } from '../transport.ts';
import { readResponseHead, type TargetResponseHead } from './response-head.ts';
import type { Attempt } from './target-attempt.ts';
import { RESPONSE_LIMITS } from './target-attempt.ts';
import { brokenResponse, toResponseHead } from './target-response.ts';

/** Hears what a response comes to. */
export interface ResponseOwner {
  /** A final head, before the sink gets it. */
  onHead(head: TargetResponseHead): void;
  /** 100: the target wants the body of the request. */
  onContinue(): void;
  /** 101. The connection is no longer HTTP from the byte behind the head on. */
  onSwitch(head: TargetResponseHead): void;
  /** Bytes of the body came, or the sink takes more. */
  onResponseMoved(): void;
  /** The response is whole. `hasMore` tells of bytes behind its end. */
  onWhole(trailers: HeaderList | undefined, hasMore: boolean): void;
  /** The response is not valid HTTP. */
  onBroken(failure: GatewayError): void;
}

/** What is expected of the target: nothing, a head, or the rest of a body. */
export type ResponsePhase = 'none' | 'head' | 'body';

const MAX_INFORMATIONAL = 20;
const OWN_BUFFER_BYTES = 16 * 1024;

/** Reads the responses on one connection, one after the other, and gives them to who asked at the speed of that. */
export class ResponseReader {
  phase: ResponsePhase = 'none';
  /** Whether who asked takes no more for now. */
  isSinkFull = false;
  private readonly transport: Transport;
  private readonly owner: ResponseOwner;
  private readonly parser = new MessageParser(RESPONSE, RESPONSE_LIMITS);
  private readonly onSinkDrain = () => this.resume();
  private attempt: Attempt | undefined = undefined;
  private framing: Framing = 'none';
  /** Bytes of the body that are still to come, where its length is known. */
  private due = 0;
  private informationals = 0;

  constructor(transport: Transport, owner: ResponseOwner) {
    this.transport = transport;
    this.owner = owner;
  }

  /** Whether only the end of the connection ends the response under way. */
  get isUntilClose(): boolean {
    return this.phase === 'body' && this.framing === 'until-close';
  }

  begin(attempt: Attempt): void {
    this.attempt = attempt;
    this.phase = 'head';
    this.informationals = 0;
    attempt.sink.onDrain = this.onSinkDrain;
  }

  /** Nobody waits for the response any more. */
  leave(): void {
    const { attempt } = this;
    this.attempt = undefined;
    this.phase = 'none';
    this.isSinkFull = false;
    if (attempt !== undefined) attempt.sink.onDrain = undefined;
    this.parser.finish();
    this.transport.useSharedBuffer();
  }

  /** Takes what came, up to the end of the response. Returns where it stopped. */
  receive(bytes: Buffer, length: number): number {
    const sink = (this.attempt as Attempt).sink;
    let at = 0;
    while (at < length && this.attempt !== undefined) at = this.take(bytes, at, length);
    sink.flush();
    return at;
  }

  private take(bytes: Buffer, at: number, length: number): number {
    if (this.phase === 'head') return this.takeHead(bytes, at, length);
    switch (this.framing) {
      case 'chunked':
        return this.takeChunked(bytes, at, length);
      case 'length':
        return this.takeCounted(bytes, at, length);
      default:
        this.transport.useOwnBuffer();
        this.give(bytes.subarray(at, length), false);
        return length;
    }
  }

  private takeHead(bytes: Buffer, at: number, length: number): number {
    const outcome = this.parser.parseHead(bytes, at, length);
    if (outcome === 'more') return length;
    if (outcome !== 'head') {
      this.owner.onBroken(brokenResponse(outcome === 'error' ? this.parser.errorReason : outcome));
      return length;
    }
    const next = this.parser.position;
    const { request } = this.attempt as Attempt;
    const head = readResponseHead(this.parser, request.method);
    if ('code' in head) this.owner.onBroken(brokenResponse(head.detail));
    else if (head.status >= 200) this.start(head, next < length);
    else this.takeInterim(head, request);
    return next;
  }

  private takeInterim(head: TargetResponseHead, request: TargetRequest): void {
    this.parser.finish();
    if (head.status === 101) {
      if (request.upgrade !== undefined && head.upgrade === request.upgrade) this.owner.onSwitch(head);
      else this.owner.onBroken(brokenResponse('the target switched protocols unasked'));
    } else if (++this.informationals > MAX_INFORMATIONAL)
      this.owner.onBroken(brokenResponse('too many interim responses'));
    else if (head.status === 100) this.owner.onContinue();
    else (this.attempt as Attempt).sink.informational(head.status, head.headers);
  }

  private start(head: TargetResponseHead, hasMore: boolean): void {
    const attempt = this.attempt as Attempt;
    this.phase = 'body';
    this.framing = head.framing;
    this.due = head.length;
    if (head.framing === 'chunked') this.parser.beginChunked();
    else this.parser.finish();
    this.owner.onHead(head);
    attempt.sink.head(toResponseHead(head, attempt.request.method));
    if (head.framing === 'none' && this.attempt === attempt) this.owner.onWhole(undefined, hasMore);
  }

  private takeCounted(bytes: Buffer, at: number, length: number): number {
    const taken = Math.min(this.due, length - at);
    this.due -= taken;
    if (this.due > OWN_BUFFER_BYTES) this.transport.useOwnBuffer();
    this.give(bytes.subarray(at, at + taken), this.due === 0);
    if (this.due === 0 && this.attempt !== undefined) this.owner.onWhole(undefined, at + taken < length);
    return at + taken;
  }

  private takeChunked(bytes: Buffer, at: number, length: number): number {
    const outcome = this.parser.parseChunked(bytes, at, length);
    const next = this.parser.position;
    if (outcome === 'error' || outcome === 'overhead') {
      const isError = outcome === 'error';
      this.owner.onBroken(
        brokenResponse(isError ? this.parser.errorReason : 'chunk framing takes too much room'),
      );
      return length;
    }
    if (length - at > OWN_BUFFER_BYTES) this.transport.useOwnBuffer();
    const trailers = this.parser.trailers;
    if (this.parser.chunk !== undefined) this.give(this.parser.chunk, outcome === 'end');
    if (outcome === 'end' && this.attempt !== undefined) this.owner.onWhole(trailers, next < length);
    return next;
  }

  private give(chunk: Uint8Array, isLast: boolean): void {
    this.owner.onResponseMoved();
    const attempt = this.attempt as Attempt;
    if (attempt.sink.write(chunk)) return;
    if (isLast || this.attempt !== attempt || attempt.makeRoom(this.stillDue))
      return this.transport.forgetOwnBuffer();
    this.isSinkFull = true;
    this.transport.pause();
  }

  /** Who asked takes no more, while others wait for this connection: tries again to take the rest off the target. */
  relieve(): void {
    if (this.isSinkFull && this.attempt?.makeRoom(this.stillDue) === true) this.resume();
  }

  private get stillDue(): number | undefined {
    return this.framing === 'length' ? this.due : undefined;
  }

  private resume(): void {
    if (!this.isSinkFull) return;
    this.isSinkFull = false;
    this.owner.onResponseMoved();
    this.transport.resume();
  }
}
