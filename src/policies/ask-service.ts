import type { Clock } from '../core/clock.ts';
import type { Exchange } from '../core/exchange.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { OngoingExchange, ResponseHead, ResponseSink, TargetRequest, Tunnel } from '../core/message.ts';
import type { UpstreamSender } from '../core/services.ts';

/** What a service answered. */
export interface AuthAnswer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
}

/** A page that says why somebody may not pass, and no more. */
const MAX_BODY_BYTES = 64 * 1024;

/**
 * Asks a service on behalf of an exchange. `undefined` where it gives no whole answer of bounded size in
 * `responseTimeoutMs`, or the client leaves before.
 */
export function askService(
  sender: UpstreamSender,
  exchange: Exchange,
  request: TargetRequest,
  clock: Clock,
): Promise<AuthAnswer | undefined> {
  return new Promise((resolve) => {
    const { signal } = exchange;
    const sink = new CollectedReply((answer) => {
      cancelTimeout();
      signal.removeEventListener('abort', leave);
      resolve(answer);
    });
    const leave = (): void => sink.leave();
    // The target bounds the time until the head; this, all of it.
    const cancelTimeout = clock.after(request.responseTimeoutMs, leave);
    signal.addEventListener('abort', leave);
    sink.follow(signal.aborted ? undefined : sender.send(exchange, request, sink));
  });
}

class CollectedReply implements ResponseSink {
  onDrain: (() => void) | undefined = undefined;
  private readonly onOver: (answer: AuthAnswer | undefined) => void;
  private readonly chunks: Buffer[] = [];
  private size = 0;
  private responseHead: ResponseHead | undefined = undefined;
  private ongoing: OngoingExchange | undefined = undefined;
  private isOver = false;

  constructor(onOver: (answer: AuthAnswer | undefined) => void) {
    this.onOver = onOver;
  }

  /** Takes the exchange whose answer this is; `undefined` where it was not begun. */
  follow(ongoing: OngoingExchange | undefined): void {
    this.ongoing = ongoing;
    if (ongoing === undefined) this.finish(undefined);
    else if (this.isOver) ongoing.cancel();
  }

  leave(): void {
    if (this.isOver) return;
    this.finish(undefined);
    this.ongoing?.cancel();
  }

  informational(): void {}

  head(head: ResponseHead): void {
    this.responseHead = head;
  }

  write(chunk: Uint8Array): boolean {
    this.size += chunk.length;
    if (this.size > MAX_BODY_BYTES) this.leave();
    else this.chunks.push(Buffer.from(chunk));
    return true;
  }

  end(): void {
    const head = this.responseHead;
    this.finish(head && { status: head.status, headers: head.headers, body: Buffer.concat(this.chunks) });
  }

  abort(): void {
    this.finish(undefined);
  }

  flush(): void {}

  switchProtocols(_head: ResponseHead, tunnel: Tunnel): void {
    tunnel.abort(new Error('nobody asked for a tunnel'));
    this.finish(undefined);
  }

  private finish(answer: AuthAnswer | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.onOver(answer);
  }
}
