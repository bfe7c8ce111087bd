import { GatewayError } from '../core/errors.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { OngoingExchange, ResponseHead, ResponseSink, TargetRequest, Tunnel } from '../core/message.ts';
import { isTargetsFault, NO_RESPONSE, type Upstream } from '../upstream/upstream.ts';
import type { UpstreamTarget } from '../upstream/upstream-target.ts';
import type { AttemptsOwner } from './attempts-owner.ts';
import { hostFor } from './forward-plan.ts';
import { Hedge, type HedgeOwner } from './hedge.ts';
import { isIdempotent } from './repeatable.ts';
import { REPLAY_BYTES, ReplayBody } from './replay-body.ts';
import { NOWHERE, type ResponseBodySink, UnusedBody } from './response-body-sink.ts';
import { Retries } from './retries.ts';

/**
 * | state | means | `head` | `abort` | `leave` |
 * |---|---|---|---|---|
 * | `asking` | an attempt is under way, its head is due | `answered`, or `waiting` for the next | `waiting`, or `over` | `over` |
 * | `waiting` | an attempt has failed, another follows | | | `over` |
 * | `answered` | the head went to the owner, its body follows | | to who takes the body | `over` |
 * | `over` | nobody listens any more | | | |
 */
type State = 'asking' | 'waiting' | 'answered' | 'over';

/**
 * Gets one request answered by an upstream: an attempt at the picked target and, as the settings say, others after it
 * or beside it. Tells the upstream what came of each.
 */
export class Attempts implements ResponseSink, HedgeOwner {
  /** The target whose attempt counts; `undefined` when it was given back. */
  slot: UpstreamTarget | undefined = undefined;
  /** Monotonic milliseconds: that attempt began, its head came; 0 until then. */
  sentAt = 0;
  respondedAt = 0;
  private readonly owner: AttemptsOwner;
  private readonly upstream: Upstream;
  /** How many attempts have begun, and the second of two that run side by side. */
  private begun = 0;
  private second: UpstreamTarget | undefined = undefined;
  private state: State = 'asking';
  private request: TargetRequest | undefined = undefined;
  private replay: ReplayBody | undefined = undefined;
  private retries: Retries | undefined = undefined;
  private hasInformed = false;
  private ongoing: OngoingExchange | undefined = undefined;
  private sink: ResponseBodySink = NOWHERE;
  private resume: (() => void) | undefined = undefined;
  /** The status of the target, which policies may have changed in the head. */
  private status = NO_RESPONSE;

  constructor(owner: AttemptsOwner) {
    this.owner = owner;
    this.upstream = owner.upstream;
  }

  /** Sends `request` to the picked target. */
  start(slot: UpstreamTarget, request: TargetRequest): void {
    const { body } = request;
    if (body.length === 0 || !this.mayRepeat || !isWorthKeeping(request)) return this.send(slot, request);
    this.replay = new ReplayBody(body);
    this.send(slot, { ...request, body: this.replay });
  }

  /** From now on the response's body goes to `sink`. */
  join(sink: ResponseBodySink): void {
    this.sink = sink;
    sink.onDrain = this.resume;
  }

  /** Nobody takes the response's body, or no more of it. */
  cancel(): void {
    if (this.state === 'over') return;
    this.state = 'over';
    this.sink = NOWHERE;
    this.ongoing?.cancel();
  }

  /** It is over: stops whatever is still under way. */
  leave(): void {
    if (this.state === 'waiting') this.request?.body.cancel();
    this.cancel();
    this.retries?.close();
    this.replay?.discard();
    if (this.slot !== undefined) this.upstream.release(this.slot);
    this.slot = undefined;
    this.upstream.forget(this.owner.breakerKey);
  }

  // The target's response

  get onDrain(): (() => void) | undefined {
    return this.resume;
  }

  set onDrain(resume: (() => void) | undefined) {
    this.resume = resume;
    this.sink.onDrain = resume;
  }

  informational(status: number, headers: HeaderList): void {
    this.hasInformed = true;
    this.owner.informational(status, headers);
  }

  head(head: ResponseHead): void {
    this.respondedAt = this.owner.clock.monotonic();
    this.report(head.status, this.respondedAt);
    if (head.status >= 500 && this.tryAgain(head)) return;
    this.settle();
    this.status = head.status;
    this.owner.head(head);
  }

  write(chunk: Uint8Array): boolean {
    return this.sink.write(chunk);
  }

  end(trailers?: HeaderList): void {
    if (this.state === 'answered' && this.slot !== undefined)
      this.upstream.reportWhole(this.slot, this.status);
    this.sink.end(trailers);
  }

  abort(error: GatewayError): void {
    switch (this.state) {
      case 'asking':
        this.report(isTargetsFault(error) ? NO_RESPONSE : undefined, this.owner.clock.monotonic());
        if (!this.tryAgain(error)) this.fail(error);
        return;
      case 'answered':
        this.owner.onBroken(error);
        if (this.slot !== undefined && isTargetsFault(error)) this.reportBroken(this.slot);
        this.sink.abort(error);
    }
  }

  flush(): void {
    this.sink.flush();
  }

  switchProtocols(head: ResponseHead, tunnel: Tunnel): void {
    this.respondedAt = this.owner.clock.monotonic();
    this.report(head.status, this.respondedAt);
    this.settle();
    this.ongoing = undefined;
    this.owner.switchProtocols(head, tunnel);
  }

  // A second target, asked while the first takes long

  pickAnother(): UpstreamTarget | undefined {
    const { upstream, slot } = this;
    if (slot === undefined || !upstream.state.hedgeBudget.tryTake()) return undefined;
    const other = upstream.pick(this.owner.exchange, [slot], this.owner.breakerKey, 'ready');
    if (other === undefined) return undefined;
    upstream.settings.counters?.hedges.add();
    this.begun++;
    this.second = other;
    return other;
  }

  onChosen(target: UpstreamTarget, sentAt: number): void {
    this.slot = target;
    this.sentAt = sentAt;
    const { begun, second } = this;
    this.owner.onSent(target, sentAt, second === undefined || target === second ? begun : begun - 1, begun);
  }

  onConnection(): void {
    this.owner.onQueued(this.owner.clock.monotonic() - this.sentAt);
  }

  onLeft(target: UpstreamTarget, sentAt: number, error: GatewayError | undefined): void {
    const now = this.owner.clock.monotonic();
    if (error !== undefined && isTargetsFault(error)) {
      this.upstream.report(this.owner.breakerKey, target, NO_RESPONSE, now - sentAt, now);
      this.findRetries()?.exclude(target);
    }
    this.upstream.release(target);
  }

  // One attempt after the other

  private get mayRepeat(): boolean {
    return this.owner.mayRepeat && this.upstream.retries !== undefined;
  }

  private findRetries(): Retries | undefined {
    const { retries } = this.upstream;
    if (retries === undefined || !this.owner.mayRepeat) return undefined;
    this.retries ??= new Retries(retries, this.owner, this.sentAt);
    return this.retries;
  }

  private send(slot: UpstreamTarget, request: TargetRequest): void {
    this.state = 'asking';
    this.request = request;
    this.begun++;
    this.second = undefined;
    this.onChosen(slot, this.owner.clock.monotonic());
    const { hedgeAfterMs } = this.upstream;
    const ongoing =
      hedgeAfterMs !== undefined && isHedgeable(request) && this.retries === undefined
        ? this.hedge(slot, request, hedgeAfterMs)
        : slot.target.exchange(request, this, this.sentAt);
    // It may have been left, or cancelled by who takes the body, while it began.
    if (this.isOver) ongoing.cancel();
    else this.ongoing = ongoing;
  }

  private get isOver(): boolean {
    return this.state === 'over';
  }

  private hedge(slot: UpstreamTarget, request: TargetRequest, afterMs: number): OngoingExchange {
    this.upstream.state.hedgeBudget.earn();
    return new Hedge(this, request, this.owner.clock).start(slot, afterMs, (target) => this.hostOf(target));
  }

  private hostOf({ authority }: UpstreamTarget): string {
    return hostFor(this.owner.plan, this.owner.authority, authority);
  }

  /** Tells what came of an attempt; no status where it says nothing about the target. */
  private report(status: number | undefined, now: number): void {
    const slot = this.slot as UpstreamTarget;
    const elapsedMs = now - this.sentAt;
    slot.meter?.record(status ?? NO_RESPONSE, elapsedMs / 1000);
    if (status !== undefined) this.upstream.report(this.owner.breakerKey, slot, status, elapsedMs, now);
  }

  private reportBroken(slot: UpstreamTarget): void {
    const { breakerKey, clock } = this.owner;
    this.upstream.reportBroken(breakerKey, slot, this.status, this.respondedAt, clock.monotonic());
  }

  /** Goes on to another target, if that is called for, and tells whether. */
  private tryAgain(outcome: GatewayError | ResponseHead): boolean {
    const { upstream } = this;
    if (this.hasInformed || this.isOver) return false;
    const retries = this.findRetries();
    const slot = this.slot as UpstreamTarget;
    const next = retries?.next(slot, this.request as TargetRequest, outcome);
    if (retries === undefined || next === undefined) return false;
    this.state = 'waiting';
    this.sink = outcome instanceof GatewayError ? NOWHERE : new UnusedBody(outcome, () => this.dropAttempt());
    if (next === 'later') {
      retries.waitForBudget(() => {
        if (!this.tryAgain(outcome)) this.fail(outcome as GatewayError);
      });
      return true;
    }
    upstream.release(slot);
    this.slot = next.target;
    retries.schedule(
      next.waitMs,
      () => this.sendAgain(),
      () => this.giveUp(),
    );
    return true;
  }

  private sendAgain(): void {
    this.dropAttempt();
    const slot = this.slot as UpstreamTarget;
    const request = this.request as TargetRequest;
    const { remainingMs } = this.retries as Retries;
    this.send(slot, {
      ...request,
      host: this.hostOf(slot),
      responseTimeoutMs: Math.max(1, Math.min(request.responseTimeoutMs, remainingMs)),
    });
  }

  /** Leaves what is left of an attempt that another one follows. */
  private dropAttempt(): void {
    this.sink = NOWHERE;
    this.ongoing?.cancel();
    this.ongoing = undefined;
  }

  /** The time for all attempts together is over. */
  private giveUp(): void {
    if (this.state !== 'asking' && this.state !== 'waiting') return;
    if (this.state === 'asking') this.report(NO_RESPONSE, this.owner.clock.monotonic());
    this.dropAttempt();
    this.fail(
      new GatewayError('GW_UPSTREAM_TIMEOUT', { cause: 'no attempt was answered before the timeout' }),
    );
  }

  private fail(error: GatewayError): void {
    this.state = 'over';
    this.retries?.close();
    this.replay?.discard();
    this.request?.body.cancel();
    this.owner.fail(error);
  }

  /** This attempt's answer is the one that counts, so no other one will follow. */
  private settle(): void {
    this.state = 'answered';
    this.retries?.close();
    this.replay?.settle();
  }
}

/** Whether a body is small enough to be kept until the head of the response, and not kept already. */
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
