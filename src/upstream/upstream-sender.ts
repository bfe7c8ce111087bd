import type { Clock } from '../core/clock.ts';
import type { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { OngoingExchange, ResponseHead, ResponseSink, TargetRequest, Tunnel } from '../core/message.ts';
import type { UpstreamSender } from '../core/services.ts';
import { isTargetsFault, NO_ANSWER, type Upstream } from './upstream.ts';
import type { UpstreamTarget } from './upstream-target.ts';

/** Makes what policies send requests of their own with: one attempt, which counts for the health of its target. */
export function createSender(upstream: Upstream, clock: Clock): UpstreamSender {
  return {
    send(exchange, request, sink) {
      const target = upstream.pick(exchange);
      return target && new SentRequest(upstream, target, exchange, sink, clock).start(request);
    },
  };
}

class SentRequest implements ResponseSink, OngoingExchange {
  private readonly upstream: Upstream;
  private readonly target: UpstreamTarget;
  private readonly exchange: Exchange;
  private readonly sink: ResponseSink;
  private readonly clock: Clock;
  private readonly sentAt: number;
  private ongoing: OngoingExchange | undefined = undefined;
  private status = NO_ANSWER;
  private headAt = 0;
  private isOver = false;

  constructor(
    upstream: Upstream,
    target: UpstreamTarget,
    exchange: Exchange,
    sink: ResponseSink,
    clock: Clock,
  ) {
    this.upstream = upstream;
    this.target = target;
    this.exchange = exchange;
    this.sink = sink;
    this.clock = clock;
    this.sentAt = clock.monotonic();
  }

  start(request: TargetRequest): this {
    const host = request.host === '' ? this.target.name : request.host;
    this.ongoing = this.target.target.exchange({ ...request, host }, this);
    return this;
  }

  cancel(): void {
    this.ongoing?.cancel();
    this.finish();
  }

  get onDrain(): (() => void) | undefined {
    return this.sink.onDrain;
  }

  set onDrain(resume: (() => void) | undefined) {
    this.sink.onDrain = resume;
  }

  informational(status: number, headers: HeaderList): void {
    this.sink.informational(status, headers);
  }

  head(head: ResponseHead): void {
    this.status = head.status;
    this.headAt = this.report(head.status);
    this.sink.head(head);
  }

  write(chunk: Uint8Array): boolean {
    return this.sink.write(chunk);
  }

  end(trailers?: HeaderList): void {
    this.upstream.reportWhole(this.target, this.status);
    this.finish();
    this.sink.end(trailers);
  }

  abort(error: GatewayError): void {
    if (isTargetsFault(error)) this.reportFailure();
    this.finish();
    this.sink.abort(error);
  }

  flush(): void {
    this.sink.flush();
  }

  switchProtocols(head: ResponseHead, tunnel: Tunnel): void {
    this.finish();
    this.sink.switchProtocols(head, tunnel);
  }

  private report(status: number): number {
    const now = this.clock.monotonic();
    this.target.meter?.record(status, (now - this.sentAt) / 1000);
    this.upstream.report(this.exchange, this.target, status, now - this.sentAt, now);
    return now;
  }

  private reportFailure(): void {
    const { upstream, exchange, target, status, headAt } = this;
    if (status === NO_ANSWER) this.report(NO_ANSWER);
    else upstream.reportBroken(exchange, target, status, headAt, this.clock.monotonic());
  }

  private finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.upstream.release(this.target);
    this.upstream.forget(this.exchange);
  }
}
