import type { BodySink, BodySource } from '../core/body.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { HeaderList } from '../core/header-list.ts';
import { isPromise } from '../core/is-promise.ts';
import type { ClientSink, OngoingExchange, ResponseHead, TargetRequest, Tunnel } from '../core/message.ts';
import type { BodyHolder, Pipeline } from '../core/pipeline/pipeline.ts';
import { isTargetsFault, NO_ANSWER, type Upstream } from '../upstream/upstream.ts';
import type { UpstreamTarget } from '../upstream/upstream-target.ts';
import { BodyPump } from './body-pump.ts';
import { writeResponseVia } from './forward-headers.ts';
import { type ForwardPlan, hostFor } from './forward-plan.ts';
import { Hedge, type HedgeOwner } from './hedge.ts';
import { isIdempotent } from './repeatable.ts';
import { REPLAY_BYTES, ReplayBody } from './replay-body.ts';
import { Retries } from './retries.ts';

/** What a forward needs of who handles the exchange. */
export interface ForwardOwner {
  readonly exchange: Exchange;
  readonly client: ClientSink;
  readonly pipeline: Pipeline;
  readonly clock: Clock;
  /** Answers a failure instead; nothing was sent to the client yet. */
  fail(error: GatewayError): void;
  /** The exchange became a tunnel. */
  onTunnel(): void;
}

/**
 * Where the target's body goes: nowhere yet, straight to the client, or to what a policy made of it. `discarded` is
 * what is left of an attempt that another one follows.
 */
type BodyRoute = 'held' | 'client' | 'mapped' | 'dropped' | 'discarded';

/** Takes one exchange to a target and its answer back, through the policies that want to see it. */
export class Forward implements HedgeOwner, BodyHolder, BodySource {
  private readonly owner: ForwardOwner;
  private readonly client: ClientSink;
  private readonly upstream: Upstream;
  private readonly plan: ForwardPlan;
  private slot: UpstreamTarget | undefined = undefined;
  private request: TargetRequest | undefined = undefined;
  private replay: ReplayBody | undefined = undefined;
  private retries: Retries | undefined = undefined;
  private hasInformed = false;
  private ongoing: OngoingExchange | undefined = undefined;
  private route: BodyRoute = 'held';
  private resumeTarget: (() => void) | undefined = undefined;
  private responseHead: ResponseHead | undefined = undefined;
  /** The status of the target, which policies may have changed in the head. */
  private targetStatus = NO_ANSWER;
  private hasLeft = false;
  /** What a policy put in place of the target's body. */
  private pump: BodyPump | undefined = undefined;
  // The body on its way to a policy, or waiting for an asynchronous one
  private bodySink: BodySink | undefined = undefined;
  private held: Buffer[] = [];
  private heldEnd: { trailers: HeaderList | undefined } | undefined = undefined;
  private heldError: Error | undefined = undefined;

  constructor(owner: ForwardOwner, upstream: Upstream, plan: ForwardPlan) {
    this.owner = owner;
    this.client = owner.client;
    this.upstream = upstream;
    this.plan = plan;
  }

  /** Sends `request` to the picked target. */
  start(slot: UpstreamTarget, request: TargetRequest): void {
    const { body } = request;
    if (body.length === 0 || this.upstream.retries === undefined || !isWorthKeeping(request))
      return this.send(slot, request);
    this.replay = new ReplayBody(body);
    this.send(slot, { ...request, body: this.replay });
  }

  /** The exchange is over: stops whatever of it is still under way. */
  leave(): void {
    this.hasLeft = true;
    this.pump?.cancel();
    this.cancel();
    this.retries?.close();
    this.replay?.discard();
    if (this.slot !== undefined) this.upstream.release(this.slot);
    this.slot = undefined;
    this.upstream.forget(this.owner.exchange);
  }

  // The target's answer

  get onDrain(): (() => void) | undefined {
    return this.resumeTarget;
  }

  set onDrain(resume: (() => void) | undefined) {
    this.resumeTarget = resume;
    if (this.route === 'client') this.client.onDrain = resume;
  }

  informational(status: number, headers: HeaderList): void {
    this.hasInformed = true;
    this.client.informational(status, headers);
  }

  head(head: ResponseHead): void {
    const { exchange, pipeline, clock } = this.owner;
    exchange.respondedAt = clock.monotonic();
    this.report(head.status, exchange.respondedAt);
    if (head.status >= 500 && this.tryAgain(head)) return;
    this.settle();
    writeResponseVia(head.headers);
    this.upstream.sticky?.write(exchange, this.slot as UpstreamTarget, head.headers);
    this.responseHead = head;
    this.targetStatus = head.status;
    const body = pipeline.runResponse(exchange, head, this);
    if (isPromise(body)) void body.then((changed) => this.sendHead(head, changed));
    else this.sendHead(head, body);
  }

  write(chunk: Uint8Array): boolean {
    if (this.route === 'client') return this.client.write(chunk);
    if (this.route === 'dropped' || this.route === 'discarded') return true;
    if (this.canPassOn) return (this.bodySink as BodySink).write(chunk);
    this.held.push(Buffer.from(chunk));
    return false;
  }

  end(trailers?: HeaderList): void {
    if (this.slot !== undefined && this.responseHead !== undefined)
      this.upstream.reportWhole(this.slot, this.targetStatus);
    if (this.route === 'client') this.client.end(trailers);
    else if (this.canPassOn) (this.bodySink as BodySink).end(trailers);
    else if (this.route !== 'discarded') this.heldEnd = { trailers };
  }

  abort(error: GatewayError): void {
    if (this.route === 'dropped' || this.route === 'discarded') return;
    const { exchange, clock } = this.owner;
    if (this.responseHead === undefined) {
      this.report(isTargetsFault(error) ? NO_ANSWER : undefined, clock.monotonic());
      if (!this.tryAgain(error)) this.fail(error);
      return;
    }
    exchange.failure ??= error;
    if (this.slot !== undefined && isTargetsFault(error)) {
      const { targetStatus, slot } = this;
      this.upstream.reportBroken(exchange, slot, targetStatus, exchange.respondedAt, clock.monotonic());
    }
    if (this.route === 'client') this.client.abort(error);
    else if (this.canPassOn) (this.bodySink as BodySink).abort(error);
    else this.heldError = error;
  }

  flush(): void {
    if (this.route === 'client') this.client.flush();
  }

  switchProtocols(head: ResponseHead, tunnel: Tunnel): void {
    const { exchange, clock } = this.owner;
    exchange.respondedAt = clock.monotonic();
    exchange.status = head.status;
    this.report(head.status, exchange.respondedAt);
    this.settle();
    this.ongoing = undefined;
    writeResponseVia(head.headers);
    this.owner.onTunnel();
    this.client.switchProtocols(head, tunnel);
  }

  // The target's body as a policy sees it

  get length(): number | undefined {
    return this.responseHead?.length;
  }

  openBody(): BodySource {
    this.route = 'mapped';
    return this;
  }

  pipe(sink: BodySink): void {
    this.bodySink = sink;
    this.release(sink);
  }

  resume(): void {
    if (this.bodySink !== undefined) this.release(this.bodySink);
  }

  /** Nobody takes the target's body, or no more of it. */
  cancel(): void {
    if (this.route === 'dropped') return;
    this.route = 'dropped';
    this.bodySink = undefined;
    this.held.length = 0;
    this.ongoing?.cancel();
  }

  // Attempts

  private send(slot: UpstreamTarget, request: TargetRequest): void {
    const { exchange, clock } = this.owner;
    this.slot = slot;
    this.request = request;
    exchange.target = slot.target.name;
    exchange.sentAt = clock.monotonic();
    const { hedgeAfterMs } = this.upstream;
    const ongoing =
      hedgeAfterMs !== undefined && isHedgeable(request) && this.retries === undefined
        ? this.hedge(slot, request, hedgeAfterMs)
        : slot.target.exchange(request, this);
    if (this.route === 'dropped') ongoing.cancel();
    else this.ongoing = ongoing;
  }

  private hedge(slot: UpstreamTarget, request: TargetRequest, afterMs: number): OngoingExchange {
    this.upstream.state.hedgeBudget.earn();
    const { exchange, clock } = this.owner;
    const hostOf = ({ name }: UpstreamTarget) => hostFor(this.plan, exchange.request.authority, name);
    return new Hedge(this, request, clock).start(slot, afterMs, hostOf);
  }

  pickAnother(): UpstreamTarget | undefined {
    const { upstream, slot } = this;
    if (slot === undefined || !upstream.state.hedgeBudget.tryTake()) return undefined;
    const other = upstream.pick(this.owner.exchange, [slot]);
    if (other === slot) upstream.release(slot);
    if (other === undefined || other === slot) return undefined;
    upstream.settings.counters?.hedges.add();
    return other;
  }

  onChosen(target: UpstreamTarget, sentAt: number): void {
    const { exchange } = this.owner;
    this.slot = target;
    exchange.target = target.name;
    exchange.sentAt = sentAt;
  }

  onLeft(target: UpstreamTarget, sentAt: number, error: GatewayError | undefined): void {
    const { exchange, clock } = this.owner;
    const now = clock.monotonic();
    if (error !== undefined && isTargetsFault(error))
      this.upstream.report(exchange, target, NO_ANSWER, now - sentAt, now);
    this.upstream.release(target);
  }

  /** Tells what came of an attempt; no status where it says nothing about the target. */
  private report(status: number | undefined, now: number): void {
    const { exchange } = this.owner;
    const slot = this.slot as UpstreamTarget;
    const elapsedMs = now - exchange.sentAt;
    slot.meter?.record(status ?? NO_ANSWER, elapsedMs / 1000);
    if (status !== undefined) this.upstream.report(exchange, slot, status, elapsedMs, now);
  }

  /** Goes on to another target, if that is called for, and tells whether. */
  private tryAgain(outcome: GatewayError | ResponseHead): boolean {
    const { upstream, plan, hasInformed } = this;
    const { exchange, clock } = this.owner;
    if (upstream.retries === undefined || hasInformed || this.hasLeft) return false;
    this.retries ??= new Retries(upstream, upstream.retries, exchange, clock, plan.timeoutMs);
    const slot = this.slot as UpstreamTarget;
    const next = this.retries.next(slot, this.request as TargetRequest, outcome);
    if (next === undefined) return false;
    this.route = 'discarded';
    if (next === 'later') {
      this.retries.waitForBudget(() => {
        if (!this.tryAgain(outcome)) this.fail(outcome as GatewayError);
      });
      return true;
    }
    upstream.release(slot);
    this.slot = next.target;
    this.retries.schedule(
      next.waitMs,
      () => this.sendAgain(),
      () => this.giveUp(),
    );
    return true;
  }

  private sendAgain(): void {
    this.ongoing?.cancel();
    this.ongoing = undefined;
    this.route = 'held';
    const slot = this.slot as UpstreamTarget;
    const { remainingMs } = this.retries as Retries;
    this.send(slot, {
      ...(this.request as TargetRequest),
      host: hostFor(this.plan, this.owner.exchange.request.authority, slot.name),
      responseTimeoutMs: Math.max(1, Math.min(this.upstream.responseTimeoutMs, remainingMs)),
    });
  }

  /** The time for all attempts together is over. */
  private giveUp(): void {
    if (this.route === 'dropped' || this.responseHead !== undefined) return;
    if (this.route === 'held') this.report(NO_ANSWER, this.owner.clock.monotonic());
    this.ongoing?.cancel();
    this.fail(new GatewayError('GW_UPSTREAM_TIMEOUT', { cause: 'no attempt was answered in time' }));
  }

  private fail(error: GatewayError): void {
    this.route = 'dropped';
    this.retries?.close();
    this.replay?.discard();
    this.owner.fail(error);
  }

  /** This attempt's answer goes to the client, so no other one will follow. */
  private settle(): void {
    this.retries?.close();
    this.replay?.settle();
  }

  // Sending

  /** Whether the target's bytes can go straight to the policy that took the body. */
  private get canPassOn(): boolean {
    return this.bodySink !== undefined && this.held.length === 0;
  }

  private sendHead(head: ResponseHead, changed: BodySource | undefined): void {
    if (this.hasLeft) return changed?.cancel();
    const { exchange } = this.owner;
    exchange.status = head.status;
    this.client.head(head);
    if (changed !== undefined) {
      this.pump = new BodyPump(changed, this.client, exchange);
      return this.pump.start();
    }
    if (this.held.length === 0 && this.heldEnd === undefined && this.heldError === undefined) {
      return this.joinClient();
    }
    this.client.onDrain = () => this.resume();
    this.pipe(this.client);
  }

  /** From now on the target's bytes go straight to the client. */
  private joinClient(): void {
    this.route = 'client';
    this.bodySink = undefined;
    this.client.onDrain = this.resumeTarget;
  }

  /** Gives what was held to `sink`, then lets the target go on. */
  private release(sink: BodySink): void {
    const isOver = this.heldEnd !== undefined || this.heldError !== undefined;
    while (this.held.length > 0) {
      const goesOn = sink.write(this.held.shift() as Buffer);
      if (!goesOn && (this.held.length > 0 || !isOver)) return;
    }
    if (this.route === 'dropped') return;
    if (this.heldError !== undefined) return sink.abort(this.heldError);
    if (this.heldEnd !== undefined) return sink.end(this.heldEnd.trailers);
    if (sink === this.client) {
      this.joinClient();
      this.client.flush();
    }
    this.resumeTarget?.();
  }
}

/** Whether a body is small enough to be kept until the head of the answer, and not kept already. */
function isWorthKeeping({ method, body }: TargetRequest): boolean {
  return (
    isIdempotent(method) &&
    body.isReplayable !== true &&
    (body.length === undefined || body.length <= REPLAY_BYTES)
  );
}

/** Whether a request may be at two targets at a time. */
function isHedgeable({ method, body, upgrade }: TargetRequest): boolean {
  return method === 'GET' && body.length === 0 && upgrade === undefined;
}
