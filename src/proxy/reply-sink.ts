import { BufferedBody } from '../core/buffered-body.ts';
import type { Clock } from '../core/clock.ts';
import type { FailureCode } from '../core/errors.ts';
import { GatewayError } from '../core/errors.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { ClientSink, Reply, ResponseHead, Tunnel } from '../core/message.ts';

/** What is taken of a response before somebody reads it, so that a small one frees its target at once. */
const BUFFERED_BYTES = 64 * 1024;

/** How long a response waits for somebody to read on. */
const LONGEST_PAUSE_MS = 60_000;

/** Takes a response for a policy rather than for a client: a reply whose body streams, at the speed of who reads it. */
export class ReplySink implements ClientSink {
  onDrain: (() => void) | undefined = undefined;
  onClose: ((bytesSent: number, failure?: FailureCode) => void) | undefined = undefined;
  onFinish: ((bytesSent: number) => void) | undefined = undefined;
  /** Set by who wants to hear of interim responses. */
  onInterim: ((status: number, headers: HeaderList) => void) | undefined = undefined;
  readonly reply: Promise<Reply>;
  private readonly clock: Clock;
  private readonly onOver: () => void;
  private body: BufferedBody | undefined = undefined;
  private bytes = 0;
  private isOver = false;
  private settle: (reply: Reply) => void = () => {};
  private reject: (reason: unknown) => void = () => {};
  private stopPause: () => void = () => {};

  /** `onOver` is called once when nothing more is under way for this. */
  constructor(clock: Clock, onOver: () => void) {
    this.clock = clock;
    this.onOver = onOver;
    this.reply = new Promise((resolve, reject) => {
      this.settle = resolve;
      this.reject = reject;
    });
  }

  /** Ends what is under way: nobody wants the response any more. `failure` says why in the log. */
  leave(reason: unknown, failure: FailureCode = 'GW_CLIENT_CLOSED'): void {
    if (this.isOver) return;
    this.finish();
    this.onClose?.(this.bytes, failure);
    if (this.body === undefined) this.reject(reason);
    else this.body.abort(reason instanceof Error ? reason : new GatewayError(failure, { cause: reason }));
  }

  informational(status: number, headers: HeaderList): void {
    if (!this.isOver) this.onInterim?.(status, headers);
  }

  head({ status, headers, length }: ResponseHead): void {
    if (this.isOver || this.body !== undefined) return;
    const body = new BufferedBody(length, () => this.cancel(), BUFFERED_BYTES);
    body.onDrain = () => {
      this.stopPause();
      this.onDrain?.();
    };
    this.body = body;
    this.settle({ status, headers, body });
  }

  write(chunk: Uint8Array): boolean {
    if (this.isOver || this.body === undefined) return true;
    this.bytes += chunk.length;
    const goesOn = this.body.write(chunk);
    if (!goesOn) this.watchPause();
    return goesOn;
  }

  flush(): void {}

  end(trailers?: HeaderList): void {
    if (this.isOver) return;
    this.finish();
    this.body?.end(trailers);
    this.onFinish?.(this.bytes);
  }

  abort(error: Error): void {
    if (this.isOver) return;
    this.finish();
    if (this.body === undefined) this.reject(error);
    else this.body.abort(error);
    this.onFinish?.(this.bytes);
  }

  /** Nobody asked for another protocol, since an exchange that goes on apart cannot. */
  switchProtocols(_head: ResponseHead, tunnel: Tunnel): void {
    tunnel.abort(new GatewayError('GW_CLIENT_CLOSED'));
    this.leave(new GatewayError('GW_UPGRADE_UNSUPPORTED'), 'GW_UPGRADE_UNSUPPORTED');
  }

  /** Who reads the body has had enough of it. */
  private cancel(): void {
    if (this.isOver) return;
    this.finish();
    this.onFinish?.(this.bytes);
  }

  private watchPause(): void {
    this.stopPause();
    this.stopPause = this.clock.after(LONGEST_PAUSE_MS, () =>
      this.leave(new Error(`the client did not read for ${LONGEST_PAUSE_MS / 1000} s`)),
    );
  }

  private finish(): void {
    this.isOver = true;
    this.stopPause();
    this.onOver();
  }
}
