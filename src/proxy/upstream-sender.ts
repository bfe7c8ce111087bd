import type { Clock } from '../core/clock.ts';
import type { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { OngoingExchange, ResponseHead, ResponseSink, TargetRequest, Tunnel } from '../core/message.ts';
import type { UpstreamSender } from '../core/services.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { Attempts } from './attempts.ts';
import type { AttemptsOwner } from './attempts-owner.ts';
import { callUpstream } from './call-upstream.ts';
import type { ForwardHeaderOptions } from './forward-headers.ts';
import { type ForwardPlan, hostFor } from './forward-plan.ts';
import type { ResponseBodySink } from './response-body-sink.ts';

/** Makes what policies send requests of their own with, which counts for the health of targets as what routes send. */
export function createSender(
  upstream: Upstream,
  clock: Clock,
  headerOptions: ForwardHeaderOptions,
): UpstreamSender {
  const send: UpstreamSender['send'] = (exchange, request, sink, { once = false } = {}) =>
    new SentRequest(upstream, exchange, request, sink, clock, !once).start();
  return {
    send,
    ask: (exchange, request, options) =>
      callUpstream({ upstream, clock, headerOptions, send }, exchange, request, options),
  };
}

/** A request of a policy's own under way. Its sink is told by the attempts, and they are left when it is over. */
class SentRequest implements AttemptsOwner, ResponseBodySink, OngoingExchange {
  readonly exchange: Exchange;
  readonly upstream: Upstream;
  readonly plan: ForwardPlan;
  readonly authority: string;
  readonly clock: Clock;
  readonly mayRepeat: boolean;
  private readonly request: TargetRequest;
  private readonly sink: ResponseSink;
  private readonly attempts: Attempts;

  constructor(
    upstream: Upstream,
    exchange: Exchange,
    request: TargetRequest,
    sink: ResponseSink,
    clock: Clock,
    mayRepeat: boolean,
  ) {
    this.exchange = exchange;
    this.upstream = upstream;
    this.clock = clock;
    this.mayRepeat = mayRepeat;
    this.request = request;
    this.sink = sink;
    this.authority = request.host;
    const hostHeader = request.host === '' ? 'target' : 'preserve';
    this.plan = { hostHeader, timeoutMs: request.responseTimeoutMs };
    this.attempts = new Attempts(this);
  }

  /** An exchange may be asked for at several upstreams, or several times at one, so each request counts by itself. */
  get breakerKey(): object {
    return this;
  }

  start(): this | undefined {
    const target = this.upstream.pick(this.exchange, [], this);
    if (target === undefined) return undefined;
    const host = hostFor(this.plan, this.authority, target.authority);
    this.attempts.start(target, { ...this.request, host });
    return this;
  }

  cancel(): void {
    this.attempts.leave();
  }

  // What becomes of the attempts

  onSent(): void {}

  onQueued(): void {}

  informational(status: number, headers: HeaderList): void {
    this.sink.informational(status, headers);
  }

  head(head: ResponseHead): void {
    this.attempts.join(this);
    this.sink.head(head);
  }

  switchProtocols(head: ResponseHead, tunnel: Tunnel): void {
    this.attempts.leave();
    this.sink.switchProtocols(head, tunnel);
  }

  fail(error: GatewayError): void {
    this.attempts.leave();
    this.sink.abort(error);
  }

  onBroken(): void {}

  // The response's body

  get onDrain(): (() => void) | undefined {
    return this.sink.onDrain;
  }

  set onDrain(resume: (() => void) | undefined) {
    this.sink.onDrain = resume;
  }

  write(chunk: Uint8Array): boolean {
    return this.sink.write(chunk);
  }

  end(trailers?: HeaderList): void {
    this.attempts.leave();
    this.sink.end(trailers);
  }

  abort(error: Error): void {
    this.attempts.leave();
    this.sink.abort(error);
  }

  flush(): void {
    this.sink.flush();
  }
}
