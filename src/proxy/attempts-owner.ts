import type { Clock } from '../core/clock.ts';
import type { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { ResponseHead, Tunnel } from '../core/message.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { UpstreamTarget } from '../upstream/upstream-target.ts';
import type { ForwardPlan } from './forward-plan.ts';

/** Who sends a request to an upstream, and how: a route for its client, or a policy for itself. */
export interface AttemptsOwner {
  /** On whose behalf: what the balancer's key is made of. */
  readonly exchange: Exchange;
  readonly upstream: Upstream;
  readonly plan: ForwardPlan;
  /** The client's `Host`, for a plan that preserves it. */
  readonly authority: string;
  readonly clock: Clock;
  /** What the circuit breaker knows the request by. */
  readonly breakerKey: object;
  /** Whether another attempt may follow where the upstream's settings ask for it. */
  readonly mayRepeat: boolean;
  /** An attempt at `target` begins, or becomes the one that counts: which one, of how many so far. `sentAt` in monotonic milliseconds. */
  onSent(target: UpstreamTarget, sentAt: number, attempt: number, attempts: number): void;
  /** The attempt had to wait for a connection, and has one now. */
  onQueued(waitedMs: number): void;
  informational(status: number, headers: HeaderList): void;
  /** The response, after which no attempt follows. Before this returns, `join` has to say where its body goes. */
  head(head: ResponseHead): void;
  /** The response is 101. The tunnel is the owner's from now on. */
  switchProtocols(head: ResponseHead, tunnel: Tunnel): void;
  /** There is no response, and no attempt follows. */
  fail(error: GatewayError): void;
  /** The response breaks off. What takes its body hears of it after this. */
  onBroken(error: GatewayError): void;
}
