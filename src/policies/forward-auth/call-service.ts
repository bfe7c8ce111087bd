import type { Clock } from '../../core/clock.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { HeaderList } from '../../core/header-list.ts';
import type {
  OngoingExchange,
  ResponseHead,
  ResponseSink,
  TargetRequest,
  Tunnel,
} from '../../core/message.ts';
import type { UpstreamSender } from '../../core/services.ts';

/** What a service answered. */
export interface AuthResponse {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
}

/** A page that says why somebody may not pass, and no more. */
const MAX_BODY_BYTES = 64 * 1024;

/**
 * Asks a service on behalf of an exchange. An error, for the log, where it gives no whole response of bounded size in
 * `responseTimeoutMs`, or the client leaves before.
 */
export function callService(
  sender: UpstreamSender,
  exchange: Exchange,
  request: TargetRequest,
  clock: Clock,
): Promise<AuthResponse | Error> {
  return new Promise((resolve) => {
    const { signal } = exchange;
    const sink = new CollectedReply((response) => {
      cancelTimeout();
      signal.removeEventListener('abort', leave);
      resolve(response);
    });
    const leave = (): void => sink.leave('the client left');
    // The target bounds the time until the head; this, all of it.
    const cancelTimeout = clock.after(request.responseTimeoutMs, () =>
      sink.leave(`no whole response within ${request.responseTimeoutMs} ms`),
    );
    signal.addEventListener('abort', leave);
    sink.follow(signal.aborted ? undefined : sender.send(exchange, request, sink));
  });
}

class CollectedReply implements ResponseSink {
  onDrain: (() => void) | undefined = undefined;
  private readonly onOver: (response: AuthResponse | Error) => void;
  private readonly chunks: Buffer[] = [];
  private size = 0;
  private responseHead: ResponseHead | undefined = undefined;
  private ongoing: OngoingExchange | undefined = undefined;
  private isOver = false;

  constructor(onOver: (response: AuthResponse | Error) => void) {
    this.onOver = onOver;
  }

  /** Takes the exchange whose response this is; `undefined` where it was not begun. */
  follow(ongoing: OngoingExchange | undefined): void {
    this.ongoing = ongoing;
    if (ongoing === undefined) this.finish(new Error('the service could not be reached'));
    else if (this.isOver) ongoing.cancel();
  }

  leave(why: string): void {
    if (this.isOver) return;
    this.finish(new Error(why));
    this.ongoing?.cancel();
  }

  informational(): void {}

  head(head: ResponseHead): void {
    this.responseHead = head;
  }

  write(chunk: Uint8Array): boolean {
    this.size += chunk.length;
    if (this.size > MAX_BODY_BYTES) this.leave(`the response is larger than ${MAX_BODY_BYTES} bytes`);
    else this.chunks.push(Buffer.from(chunk));
    return true;
  }

  end(): void {
    const head = this.responseHead;
    this.finish(
      head === undefined
        ? new Error('the response has no head')
        : { status: head.status, headers: head.headers, body: Buffer.concat(this.chunks) },
    );
  }

  abort(reason: Error): void {
    this.finish(reason);
  }

  flush(): void {}

  switchProtocols(_head: ResponseHead, tunnel: Tunnel): void {
    tunnel.abort(new Error('a tunnel was not requested'));
    this.finish(new Error('the service answered 101, which was not requested'));
  }

  private finish(response: AuthResponse | Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.onOver(response);
  }
}
