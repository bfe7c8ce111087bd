import { type BodySink, type BodySource, EMPTY_BODY } from '../../core/body.ts';
import { GatewayError } from '../../core/errors.ts';
import { FieldKind } from '../../core/field-kind.ts';
import type { HeaderList } from '../../core/header-list.ts';
import type { TargetRequest } from '../../core/message.ts';
import type { Transport } from '../transport.ts';
import { falseLength, RequestWriter } from './request-writer.ts';
import { type BodyOutcome, UnsentBody } from './unsent-body.ts';

/** Hears how the sending of a request goes. */
export interface SenderOwner {
  /** Some of the body moved, or begins to. */
  onBodyMoved(): void;
  /** The whole request was given to the transport, or, told once more, by it to the system. */
  onSent(): void;
  /** The request cannot be sent to its end. */
  onSendFailed(failure: GatewayError): void;
}

/**
 * How far a request is: `awaiting-continue` until the target wants the body (RFC 9110 §10.1.1), `body` while that flows,
 * `sent` when all of it is out, and between requests.
 */
export type SendPhase = 'awaiting-continue' | 'body' | 'sent';

const WHOLE: BodyOutcome = { kind: 'whole', trailers: undefined };

/** Sends the requests of one connection, one after the other: the head, then the body at the speed of the target. */
export class RequestSender implements BodySink {
  phase: SendPhase = 'sent';
  private readonly transport: Transport;
  private readonly owner: SenderOwner;
  private readonly writer: RequestWriter;
  private body: BodySource | undefined = undefined;
  private needsResume = false;
  /** The body of the request under way, whether or not all of it was taken, and how it ended. */
  private source: BodySource | undefined = undefined;
  private isBegun = false;
  private outcome: BodyOutcome | undefined = undefined;
  /** What takes the rest of the body in this one's place, where the connection closed before anything was sent. */
  private heir: UnsentBody | undefined = undefined;

  constructor(transport: Transport, owner: SenderOwner) {
    this.transport = transport;
    this.owner = owner;
    this.writer = new RequestWriter(transport);
  }

  /** With `headFirst` the body is not touched before the system has taken the head. */
  begin(request: TargetRequest, body: BodySource, headFirst: boolean): void {
    this.needsResume = false;
    this.source = body;
    this.isBegun = false;
    this.outcome = undefined;
    this.writer.begin(request);
    if (body.length !== 0 && request.headers.getKind(FieldKind.expect) !== undefined) {
      this.phase = 'awaiting-continue';
      this.body = body;
      return this.writer.flush();
    }
    this.phase = 'body';
    if (headFirst && body.length !== 0 && !this.writer.flushNow()) {
      this.body = body;
      return this.transport.destroy();
    }
    this.sendBody(body);
  }

  /** Sends the body that was kept back. */
  continue(): void {
    if (this.phase !== 'awaiting-continue') return;
    this.phase = 'body';
    this.sendBody(this.body as BodySource);
  }

  /** Gives up what is left of the request. */
  drop(): void {
    const body = this.takeBody();
    body?.cancel();
  }

  /** Ends the sending and returns the body that was under way, which nobody has cancelled yet. */
  takeBody(): BodySource | undefined {
    const { body } = this;
    this.body = undefined;
    this.source = undefined;
    this.phase = 'sent';
    this.writer.unsent = '';
    return body;
  }

  /** Ends the sending of a request of which the system took nothing, and returns its body as it was, for another connection. */
  takeUnsent(): BodySource {
    const { source, outcome } = this;
    const { unsent } = this.writer;
    this.takeBody();
    if (source === undefined || !this.isBegun) return source ?? EMPTY_BODY;
    this.heir = new UnsentBody(source, unsent, outcome);
    return this.heir;
  }

  /** The system took what waited. */
  drained(): void {
    if (!this.needsResume) return;
    this.needsResume = false;
    if (this.phase === 'sent') return this.owner.onSent();
    this.owner.onBodyMoved();
    this.body?.resume();
  }

  // What the body gives

  write(chunk: Uint8Array): boolean {
    if (this.phase !== 'body') return this.heir?.write(chunk) ?? true;
    if (!this.writer.write(chunk)) this.owner.onSendFailed(falseLength('longer'));
    if (!this.transport.isWritePending) return true;
    this.needsResume = true;
    return false;
  }

  end(trailers?: HeaderList): void {
    if (this.phase !== 'body') return this.heir?.end(trailers);
    this.outcome = trailers === undefined ? WHOLE : { kind: 'whole', trailers };
    if (!this.writer.end(trailers)) return this.owner.onSendFailed(falseLength('shorter'));
    this.phase = 'sent';
    this.body = undefined;
    this.owner.onSent();
  }

  /** The client's body broke: the target must not take it as whole. */
  abort(error: Error): void {
    if (this.phase !== 'body') return this.heir?.abort(error);
    this.body = undefined;
    this.owner.onSendFailed(
      error instanceof GatewayError ? error : new GatewayError('GW_BAD_REQUEST', { cause: error }),
    );
  }

  private sendBody(body: BodySource): void {
    if (body.length === 0) return this.end();
    this.body = body;
    this.isBegun = true;
    this.owner.onBodyMoved();
    body.pipe(this);
    if (this.phase === 'body') this.writer.flush();
  }
}
